//! What a command may do: prepared once per sandbox, applied by each command to itself.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use nix::sys::prctl::set_no_new_privs;
use nix::unistd::Uid;

pub(crate) use self::landlock::Territory;
pub(crate) use self::resources::{apply as apply_limits, tasks_of};

use crate::accounting::Accounting;
use crate::ground::Guest;
use crate::layout::Layout;
use crate::part::{Failure, Part};
use crate::specification::{Mode, Specification};
use crate::system;

mod landlock;
mod resources;
mod seccomp;

/// The user that commands are on the host when the supervisor is root.
pub(crate) const NOBODY: u32 = 65534;

/// The host's user that owns what a sandbox writes.
pub(crate) fn owner() -> Uid {
    let user = Uid::effective();
    if user.is_root() { Uid::from_raw(NOBODY) } else { user }
}

/// Whether commands may have memory that no process has mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unmapped {
    Allowed,
    /// Nobody counts it. System V memory is bounded by its namespace.
    Refused,
    /// System V memory, too, but for small pieces.
    RefusedWithSystemV,
}

impl Unmapped {
    /// Where the namespace bounds nothing.
    pub(crate) fn with_system_v(self) -> Self {
        match self {
            Self::Allowed => Self::Allowed,
            Self::Refused | Self::RefusedWithSystemV => Self::RefusedWithSystemV,
        }
    }

    pub(crate) fn of(accounting: &Accounting) -> Self {
        if accounting.misses_unmapped_memory() { Self::Refused } else { Self::Allowed }
    }
}

/// A Landlock ruleset and a seccomp program, ready for use by any number of forks.
pub(crate) struct Restrictions {
    ruleset: OwnedFd,
    program: seccompiler::BpfProgram,
}

impl Restrictions {
    /// Inside an isolated sandbox, once its root is built.
    pub(crate) fn isolated(layout: &Layout, program: seccompiler::BpfProgram, guest: Guest) -> Result<Self, Failure> {
        Ok(Self { ruleset: landlock::ruleset(&Territory::isolated(layout, guest), 1)?, program })
    }

    pub(crate) fn reduced(
        layout: &Layout,
        specification: &Specification,
        guest: Guest,
        unmapped: Unmapped,
    ) -> Result<Self, Failure> {
        // Before ABI 3 a file outside could be truncated.
        let ruleset = landlock::ruleset(&Territory::reduced(layout, specification, guest), 3)?;
        Ok(Self { ruleset, program: program(Mode::Reduced, unmapped)? })
    }

    /// Applies both to the calling process, for ever. Nothing may follow but the exec.
    pub(crate) fn apply(&self) -> Result<(), Failure> {
        set_no_new_privs().map_err(Failure::of(Part::Privileges, "giving up gaining privileges"))?;
        system::restrict_self(self.ruleset.as_fd()).map_err(Failure::of(Part::Landlock, "applying the ruleset"))?;
        seccompiler::apply_filter(&self.program).map_err(Failure::of(Part::Seccomp, "installing the filter"))
    }

    /// The descriptor that must stay open until they are applied.
    pub(crate) fn number(&self) -> RawFd {
        self.ruleset.as_raw_fd()
    }
}

/// The seccomp program; building it takes longer than everything else a command needs.
pub(crate) fn program(mode: Mode, unmapped: Unmapped) -> Result<seccompiler::BpfProgram, Failure> {
    seccomp::program(mode, unmapped).map_err(Failure::of(Part::Seccomp, "compiling the filter"))
}
