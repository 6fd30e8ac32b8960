//! What everything in a sandbox uses together, and the end of what uses too much.
//!
//! Memory is the kernel's to limit where a control group can be made. Elsewhere the supervisor adds up what the processes of each exec
//! use. Disk is added up everywhere.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use self::control_group::ControlGroup;
use self::disk::Disk;
use crate::hold::Hold;
use crate::place::Place;
use crate::{ExecId, LimitReached, Totals};

pub(crate) mod control_group;
mod disk;
mod processes;

/// Time between two looks. The first comes so long after an exec starts: most have ended by then.
const PERIOD: Duration = Duration::from_millis(100);
/// While the disk fills fast.
const SHORT_PERIOD: Duration = Duration::from_millis(20);

/// How the memory of a sandbox is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryAccountant {
    /// A control group of the second version.
    ControlGroup2,
    /// A control group of the first version.
    ControlGroup1,
    /// The supervisor, which looks ten times a second.
    Supervisor,
}

impl MemoryAccountant {
    /// What a sandbox on this machine has, found by trying.
    pub fn of_this_machine() -> Self {
        match ControlGroup::of_this_machine(
            &format!("sandbox-trial-{}", std::process::id()),
            &Totals::default(),
            u64::MAX,
        ) {
            Some(group) => {
                group.remove();
                group.accountant()
            }
            None => Self::Supervisor,
        }
    }
}

pub(crate) struct Accounting {
    totals: Totals,
    group: Option<ControlGroup>,
    disk: Disk,
    next: Option<Instant>,
}

impl Accounting {
    pub(crate) fn open(place: &Place) -> io::Result<Self> {
        let specification = &place.specification;
        let totals = specification.totals.clone();
        let group = match totals.memory_bytes {
            None => None,
            Some(_) => ControlGroup::of_this_machine(
                &control_group::name(&specification.directory)?,
                &totals,
                specification.limits.processes,
            ),
        };
        Ok(Self { group, disk: Disk::new(place)?, totals, next: None })
    }

    /// Whether memory that no process has mapped goes uncounted.
    pub(crate) fn misses_unmapped_memory(&self) -> bool {
        self.totals.memory_bytes.is_some() && self.group.is_none()
    }

    /// Counts a process and all that it will start.
    pub(crate) fn add(&self, process: Pid) -> io::Result<()> {
        self.group.as_ref().map_or(Ok(()), |group| group.add(process))
    }

    /// Counts what a first process will start, where the keeper does not: a child of this process.
    pub(crate) fn count(&self, hold: &mut Hold, process: Option<Pid>) -> io::Result<()> {
        let Some(process) = process else { return Ok(()) };
        hold.take_process(process);
        self.add(process)
    }

    /// The times that the kernel has killed something for memory.
    pub(crate) fn memory_kills(&self) -> u64 {
        self.group.as_ref().map_or(0, ControlGroup::kills)
    }

    /// To be told when an exec starts.
    pub(crate) fn started(&mut self) {
        let soon = Instant::now().checked_add(PERIOD);
        self.next = self.next.or(soon);
    }

    /// To be told when nothing runs any more.
    pub(crate) fn rest(&mut self) {
        self.disk.rest(&self.totals);
    }

    pub(crate) fn next_moment(&self) -> Option<Instant> {
        self.next
    }

    /// Readable when the disk was counted.
    pub(crate) fn source(&self) -> Option<BorrowedFd<'_>> {
        self.disk.source()
    }

    /// Takes what counting the disk came to.
    pub(crate) fn hear(&mut self) -> Option<LimitReached> {
        self.disk.hear(&self.totals)
    }

    /// Looks, when it is time to, at what the execs use that run: those whose first process is known, which is soon after their start.
    /// Answers which is to end, and why.
    pub(crate) fn tick(&mut self, now: Instant, execs: &[(&ExecId, Option<Pid>)]) -> Option<(ExecId, LimitReached)> {
        if self.next.is_none_or(|next| next > now) {
            return None;
        }
        if execs.is_empty() {
            self.next = None;
            return None;
        }
        let known: Vec<(&ExecId, Pid)> = execs.iter().filter_map(|(id, first)| Some((*id, (*first)?))).collect();
        let fast = self.disk.look(&self.totals);
        self.next = now.checked_add(if fast { SHORT_PERIOD } else { PERIOD });
        match (&self.group, self.totals.memory_bytes) {
            (None, Some(most)) => processes::over(&known, most, self.totals.sockets),
            (Some(_), _) | (None, None) => None,
        }
    }

    /// To be called when nothing is left inside.
    pub(crate) fn end(&mut self) {
        self.disk.end();
        if let Some(group) = self.group.take() {
            group.remove();
        }
    }
}
