//! Where execs are forked: in a keeper's namespaces or beside the supervisor.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::sys::prctl::set_child_subreaper;
use nix::unistd::Pid;

use crate::accounting::Accounting;
use crate::command::Standard;
use crate::init::{self, Kingdom, Kit, privileges, tree};
use crate::keeper::Keeper;
use crate::part::{Failure, Part};
use crate::place::Place;
use crate::restrictions::{Restrictions, Unmapped, owner, tasks_of};
use crate::specification::Mode;
use crate::system::{self, Wait};
use crate::wire::Launch;

pub(crate) enum Ground {
    Isolated(Keeper),
    Reduced { commands: Kit, worker: Kit, lock: RawFd },
}

/// Who is let in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guest {
    Command,
    Worker,
}

impl Ground {
    /// Also answers the listener of the sandbox's network.
    pub(crate) fn open(
        place: &Place,
        accounting: &Accounting,
        worker: fn() -> c_int,
    ) -> Result<(Self, Option<OwnedFd>), Failure> {
        let Place { specification, layout, lock, .. } = place;
        match specification.mode {
            Mode::Isolated => {
                let (keeper, listener) = Keeper::start(specification, layout, lock, accounting, worker)?;
                Ok((Self::Isolated(keeper), listener))
            }
            Mode::Reduced => {
                // Should the first process of an exec be killed, its tree comes here.
                set_child_subreaper(true).map_err(Failure::of(Part::Privileges, "becoming a subreaper"))?;
                let unmapped = Unmapped::of(accounting);
                let restrictions = |guest| Restrictions::reduced(layout, specification, guest, unmapped);
                let ground = Self::Reduced {
                    commands: Kit { restrictions: restrictions(Guest::Command)?, worker },
                    worker: Kit { restrictions: restrictions(Guest::Worker)?, worker },
                    lock: lock.as_raw_fd(),
                };
                Ok((ground, None))
            }
        }
    }

    /// Forks a first process. It holds nothing of this process open but the lock: neither clients nor other execs may take it
    /// for the supervisor when that is gone.
    ///
    /// Answers it where it is a child of this process: a keeper tells its own later.
    pub(crate) fn launch(
        &self,
        guest: Guest,
        run: u64,
        control: UnixStream,
        standard: Standard,
    ) -> io::Result<Option<Pid>> {
        match self {
            Self::Isolated(keeper) => {
                keeper.launch(guest, run, &control, &standard)?;
                Ok(None)
            }
            Self::Reduced { commands, worker, lock } => {
                let kit = match guest {
                    Guest::Command => commands,
                    Guest::Worker => worker,
                };
                let settle = |_: &Launch| privileges::leave_host_root();
                let first = system::fork(|| {
                    init::hold_only(&control, &standard, kit, &[*lock]);
                    init::run(Kingdom::Descendants, control, standard, kit, settle)
                })?;
                Ok(Some(first))
            }
        }
    }

    /// Adapts limits that count differently here: without a user namespace, all tasks of the user count.
    pub(crate) fn adapt(&self, launch: &mut Launch) {
        match self {
            Self::Isolated(_) => {}
            Self::Reduced { .. } => {
                let present = tasks_of(owner().as_raw());
                launch.limits.processes = launch.limits.processes.saturating_add(present);
            }
        }
    }

    /// Readable when there is something to [hear](Self::hear).
    pub(crate) fn source(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Isolated(keeper) => Some(keeper.source()),
            Self::Reduced { .. } => None,
        }
    }

    /// The handle of the first process of a run; `None` when the ground is lost.
    pub(crate) fn hear(&self) -> Option<(u64, OwnedFd)> {
        match self {
            Self::Isolated(keeper) => keeper.hear(),
            Self::Reduced { .. } => None,
        }
    }

    /// Collects first processes that have ended; a keeper collects its own.
    pub(crate) fn reap(&self) {
        match self {
            Self::Isolated(_) => {}
            Self::Reduced { .. } => while let Ok(Some(_)) = system::wait_for_any(Wait::No) {},
        }
    }

    /// Ends everything inside and returns when it is gone.
    pub(crate) fn end(&self) {
        match self {
            Self::Isolated(keeper) => keeper.end(),
            Self::Reduced { .. } => tree::end_with_children_last(|| self.reap()),
        }
    }

    /// Whether losing the first process of one exec leaves processes of it alive.
    pub(crate) fn survives_loss(&self) -> bool {
        match self {
            Self::Isolated(_) => true,
            Self::Reduced { .. } => false,
        }
    }
}

/// The descriptor as a number, for a list of what a child keeps.
pub(crate) fn number(descriptor: &impl AsFd) -> RawFd {
    descriptor.as_fd().as_raw_fd()
}
