//! Where execs are forked: in a keeper's namespaces or beside the supervisor.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::sched::CloneFlags;
use nix::sys::prctl::set_child_subreaper;

use super::place::Place;
use crate::command::Standard;
use crate::init::{self, Kingdom, privileges, tree};
use crate::keeper::Keeper;
use crate::part::{Failure, Part};
use crate::restrictions::{Restrictions, owner, tasks_of};
use crate::specification::Mode;
use crate::system::{self, Wait};
use crate::wire::Launch;

pub(super) enum Ground {
    Isolated(Keeper),
    Reduced(Restrictions),
}

impl Ground {
    pub(super) fn open(place: &Place) -> Result<Self, Failure> {
        match place.specification.mode {
            Mode::Isolated => Keeper::start(&place.specification, &place.layout, &place.lock).map(Self::Isolated),
            Mode::Reduced => {
                // Should the first process of an exec be killed, its tree comes here.
                set_child_subreaper(true).map_err(Failure::of(Part::Privileges, "becoming a subreaper"))?;
                Restrictions::reduced(&place.layout, &place.specification).map(Self::Reduced)
            }
        }
    }

    /// Forks the first process of an exec. `inherited` are this process's descriptors that it must not hold open: the
    /// ends of other execs' sockets, by whose closing they notice that the supervisor is gone.
    pub(super) fn launch(&self, control: UnixStream, standard: Standard, inherited: &[RawFd]) -> io::Result<()> {
        match self {
            Self::Isolated(keeper) => Ok(keeper.launch(&control, &standard)?),
            Self::Reduced(restrictions) => {
                let settle = |_: &Launch| privileges::leave_host_root();
                system::fork_into(CloneFlags::empty(), || {
                    system::close(inherited);
                    init::run(Kingdom::Descendants, control, standard, restrictions, settle)
                })?;
                Ok(())
            }
        }
    }

    /// Adapts limits that count differently here: without a user namespace, all tasks of the user count.
    pub(super) fn adapt(&self, launch: &mut Launch) {
        match self {
            Self::Isolated(_) => {}
            Self::Reduced(_) => {
                let present = tasks_of(owner().as_raw());
                launch.limits.processes = launch.limits.processes.saturating_add(present);
            }
        }
    }

    /// Becomes readable when the ground is lost.
    pub(super) fn alive(&self) -> Option<impl AsFd + '_> {
        match self {
            Self::Isolated(keeper) => Some(keeper.alive()),
            Self::Reduced(_) => None,
        }
    }

    /// Collects first processes that have ended; a keeper collects its own.
    pub(super) fn reap(&self) {
        match self {
            Self::Isolated(_) => {}
            Self::Reduced(_) => while let Ok(Some(_)) = system::wait_for_any(Wait::No) {},
        }
    }

    /// Ends everything inside and returns when it is gone.
    pub(super) fn end(&self) {
        match self {
            Self::Isolated(keeper) => keeper.end(),
            Self::Reduced(_) => tree::end(Kingdom::Descendants, || self.reap()),
        }
    }

    /// Whether losing the first process of one exec leaves processes of it alive.
    pub(super) fn survives_loss(&self) -> bool {
        match self {
            Self::Isolated(_) => true,
            Self::Reduced(_) => false,
        }
    }
}

/// The descriptor as a number, for a list of what a child closes.
pub(super) fn number(descriptor: &impl AsFd) -> RawFd {
    descriptor.as_fd().as_raw_fd()
}
