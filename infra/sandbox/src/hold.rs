//! The supervisor's hold on the first process of an exec.

use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use crate::init;
use crate::system;
use crate::wire::{self, Frames, Launch, Report};

/// Time that the first process has for killing all others. A starved one is killed itself then, which kills all others too.
const PATIENCE: Duration = Duration::from_secs(1);

pub(crate) struct Hold {
    /// Tells first processes apart when their handles come.
    pub(crate) run: u64,
    control: UnixStream,
    frames: Frames,
    /// Comes from the keeper. Absent in the reduced mode, where the death of a first process would free its tree.
    handle: Option<OwnedFd>,
    process: Option<Pid>,
    force: Force,
}

enum Force {
    No,
    At(Instant),
    Done,
}

/// What the first process's side of the socket came to.
pub(crate) enum Word {
    NotYet,
    Report(Report),
    /// It is gone without a report.
    Lost,
    /// It was killed by force, and with it everything else of its exec.
    Forced,
}

impl Hold {
    /// The other end goes to the first process.
    pub(crate) fn new(run: u64) -> io::Result<(Self, UnixStream)> {
        let (control, theirs) = UnixStream::pair()?;
        Ok((Self { run, control, frames: Frames::default(), handle: None, process: None, force: Force::No }, theirs))
    }

    pub(crate) fn tell(&mut self, launch: &Launch) -> io::Result<()> {
        wire::send(&mut self.control, launch)
    }

    pub(crate) fn take_handle(&mut self, handle: OwnedFd) {
        self.process = system::process_of(handle.as_fd());
        self.handle = Some(handle);
    }

    /// Where no handle comes, the first process is this one's child.
    pub(crate) fn take_process(&mut self, process: Pid) {
        self.process = Some(process);
    }

    /// The first process, as far as it is known.
    pub(crate) fn process(&self) -> Option<Pid> {
        self.process
    }

    /// What becomes readable when there is something to [listen](Self::listen) to.
    pub(crate) fn source(&self) -> BorrowedFd<'_> {
        match (&self.force, &self.handle) {
            // Its socket closes before the others are dead, and the handle is readable after.
            (Force::Done, Some(handle)) => handle.as_fd(),
            (Force::No | Force::At(_) | Force::Done, _) => self.control.as_fd(),
        }
    }

    pub(crate) fn listen(&mut self) -> Word {
        if let Force::Done = self.force {
            return Word::Forced;
        }
        let more = self.frames.fill(&mut self.control).unwrap_or(false);
        match self.frames.next::<Report>() {
            Ok(Some(report)) => Word::Report(report),
            Ok(None) if more => Word::NotYet,
            Ok(None) | Err(_) => Word::Lost,
        }
    }

    /// Asks the command to end.
    pub(crate) fn terminate(&mut self) {
        self.order(init::TERMINATE);
    }

    /// Has everything of the exec killed.
    pub(crate) fn kill(&mut self, now: Instant) {
        if let Force::No = self.force {
            self.order(init::KILL);
            self.force = now.checked_add(PATIENCE).map_or(Force::No, Force::At);
        }
    }

    /// When force is due.
    pub(crate) fn next_moment(&self) -> Option<Instant> {
        match self.force {
            Force::At(moment) if self.handle.is_some() => Some(moment),
            Force::No | Force::At(_) | Force::Done => None,
        }
    }

    pub(crate) fn tick(&mut self, now: Instant) {
        if self.next_moment().is_some_and(|moment| moment <= now)
            && let Some(handle) = &self.handle
        {
            let _ = system::kill_by_handle(handle.as_fd());
            self.force = Force::Done;
        }
    }

    /// If the first process is gone, its socket says so soon. One that has not read thousands of orders needs no further one.
    fn order(&mut self, order: u8) {
        while let Err(error) = self.control.write_all(&[order]) {
            if error.kind() != ErrorKind::Interrupted {
                return;
            }
        }
    }
}
