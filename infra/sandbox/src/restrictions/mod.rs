//! What a command may do: prepared once per sandbox, applied by each command to itself.

use nix::unistd::Uid;

pub(crate) use self::landlock::Territory;
pub(crate) use self::resources::{apply as apply_limits, tasks_of};

use crate::layout::Layout;
use crate::part::{Failure, Part};
use crate::specification::{Mode, Specification};

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

/// A Landlock ruleset and a seccomp program, ready for use by any number of forks.
pub(crate) struct Restrictions {
    ruleset: ::landlock::RulesetCreated,
    program: seccompiler::BpfProgram,
}

impl Restrictions {
    /// Inside an isolated sandbox, once its root is built.
    pub(crate) fn isolated(layout: &Layout, program: seccompiler::BpfProgram) -> Result<Self, Failure> {
        Ok(Self { ruleset: landlock::ruleset(&Territory::isolated(layout), 1)?, program })
    }

    pub(crate) fn reduced(layout: &Layout, specification: &Specification) -> Result<Self, Failure> {
        // Before ABI 3 a file outside could be truncated.
        let ruleset = landlock::ruleset(&Territory::reduced(layout, specification), 3)?;
        Ok(Self { ruleset, program: program(Mode::Reduced)? })
    }

    /// Applies both to the calling process, for ever. Nothing may follow but the exec.
    pub(crate) fn apply(&self) -> Result<(), Failure> {
        let ruleset = self.ruleset.try_clone().map_err(Failure::of(Part::Landlock, "copying the ruleset"))?;
        landlock::restrict(ruleset)?;
        seccompiler::apply_filter(&self.program).map_err(Failure::of(Part::Seccomp, "installing the filter"))
    }
}

/// The seccomp program; building it takes longer than everything else a command needs.
pub(crate) fn program(mode: Mode) -> Result<seccompiler::BpfProgram, Failure> {
    seccomp::program(mode).map_err(Failure::of(Part::Seccomp, "compiling the filter"))
}
