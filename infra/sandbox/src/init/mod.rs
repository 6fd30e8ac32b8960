//! The first process of an exec: pid 1 of its PID namespace, or in the reduced mode the subreaper of its tree. It starts the
//! command, reaps, passes on the supervisor's wishes, ends what is left and reports.

use std::ffi::c_int;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::time::TimeValLike;
use nix::unistd::Pid;

use crate::Status;
use crate::command::{Standard, become_program, become_worker};
use crate::ground::number;
use crate::part::Failure;
use crate::restrictions::Restrictions;
use crate::system::{self, Wait};
use crate::wire::{self, Launch, Report, Task};

pub(crate) mod privileges;
pub(crate) mod tree;

/// SIGTERM to the command's process group.
pub(crate) const TERMINATE: u8 = b'T';
/// SIGKILL to everything.
pub(crate) const KILL: u8 = b'K';

/// Where the first process finds what belongs to its exec.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kingdom {
    /// Everything else in the PID namespace.
    Namespace,
    /// All descendants.
    Descendants,
}

/// What a first process needs besides its order.
pub(crate) struct Kit {
    pub(crate) restrictions: Restrictions,
    pub(crate) worker: fn() -> c_int,
}

/// Closes what a first process inherited and must not hold open. Only for a freshly forked child.
pub(crate) fn hold_only(control: &UnixStream, standard: &Standard, kit: &Kit, besides: &[RawFd]) {
    let own = [number(control), number(&standard.input), number(&standard.output), number(&standard.error)];
    let keep: Vec<RawFd> = own.into_iter().chain([kit.restrictions.number()]).chain(besides.iter().copied()).collect();
    system::close_all_except(&keep);
}

/// Runs one exec from its first to its last process. `settle` prepares this process: mounts, then giving up privileges.
pub(crate) fn run(
    kingdom: Kingdom,
    mut control: UnixStream,
    standard: Standard,
    kit: &Kit,
    settle: impl FnOnce(&Launch) -> Result<(), Failure>,
) -> c_int {
    let report = match prepare(&mut control, standard, kit, settle) {
        Ok(started) => reign(kingdom, &mut control, &started),
        Err(failure) => Report::NotStarted(failure),
    };
    match wire::send(&mut control, &report) {
        Ok(()) => libc::EXIT_SUCCESS,
        Err(_) => libc::EXIT_FAILURE,
    }
}

struct Started {
    main: Pid,
    children: SignalFd,
}

fn prepare(
    control: &mut UnixStream,
    standard: Standard,
    kit: &Kit,
    settle: impl FnOnce(&Launch) -> Result<(), Failure>,
) -> Result<Started, Failure> {
    system::default_signals();
    let launch = wire::receive::<Launch>(control)
        .map_err(Failure::other("reading the command"))?
        .ok_or_else(|| Failure::other("reading the command")("the supervisor is gone"))?;
    settle(&launch)?;
    let mut child_signal = SigSet::empty();
    child_signal.add(Signal::SIGCHLD);
    child_signal.thread_block().map_err(Failure::other("blocking SIGCHLD"))?;
    let children = SignalFd::with_flags(&child_signal, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .map_err(Failure::other("watching for SIGCHLD"))?;
    let (reading, writing) =
        nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(Failure::other("making a pipe"))?;
    let main =
        system::fork(|| command(&launch, &standard, kit, &writing)).map_err(Failure::other("forking the command"))?;
    drop(writing);
    // The command's ends of the pipes must be its alone, or nobody sees when it closes them.
    drop(standard);
    await_exec(reading, main)?;
    Ok(Started { main, children })
}

/// The child's part: either it becomes what was asked for or it says why not.
fn command(launch: &Launch, standard: &Standard, kit: &Kit, failures: &OwnedFd) -> c_int {
    let became = match &launch.task {
        Task::Program(program) => become_program(program, &launch.limits, standard, &kit.restrictions),
        Task::Worker => become_worker(kit.worker, &launch.limits, standard, &kit.restrictions),
    };
    match became {
        Ok(code) => code,
        Err(failure) => {
            let text = serde_json::to_vec(&failure).unwrap_or_default();
            let _ = nix::unistd::write(failures, &text);
            libc::EXIT_FAILURE
        }
    }
}

/// The pipe closes when the command has become the program.
fn await_exec(reading: OwnedFd, main: Pid) -> Result<(), Failure> {
    let mut text = Vec::new();
    std::fs::File::from(reading).read_to_end(&mut text).map_err(Failure::other("waiting for the command"))?;
    if text.is_empty() {
        return Ok(());
    }
    reap(main, Wait::ForAll);
    Err(serde_json::from_slice(&text).unwrap_or_else(Failure::other("the command failed and could not say why")))
}

/// Reaps until the command ends or must end, then ends the rest.
fn reign(kingdom: Kingdom, control: &mut UnixStream, started: &Started) -> Report {
    let mut status = None;
    let mut deserted = false;
    while status.is_none() && !deserted {
        let mut watched =
            [PollFd::new(started.children.as_fd(), PollFlags::POLLIN), PollFd::new(control.as_fd(), PollFlags::POLLIN)];
        match poll(&mut watched, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => break,
        }
        let [child_ended, spoken_to] = watched.map(|entry| entry.any().unwrap_or(false));
        if child_ended {
            while let Ok(Some(_)) = started.children.read_signal() {}
            status = reap(started.main, Wait::No);
        }
        if spoken_to && status.is_none() {
            deserted = obey(control, started.main);
        }
    }
    // Zombies whose death was not yet told are not alive.
    status = status.or_else(|| reap(started.main, Wait::No));
    let background_ended = tree::living(kingdom).into_iter().filter(|pid| *pid != started.main).count();
    tree::end(kingdom, || {
        status = status.or(reap(started.main, Wait::No));
    });
    status = status.or(reap(started.main, Wait::ForAll));
    Report::Ended {
        status: status.unwrap_or(Status::Signalled(libc::SIGKILL)),
        background_ended: u32::try_from(background_ended).unwrap_or(u32::MAX),
        cpu_microseconds: processor_time(),
    }
}

/// Does what the supervisor says; true when everything is to be killed, because it said so or is gone.
fn obey(control: &mut UnixStream, main: Pid) -> bool {
    let mut order = [0_u8; 1];
    match control.read(&mut order) {
        Ok(1) if order[0] == TERMINATE => {
            let _ = killpg(main, Signal::SIGTERM);
            false
        }
        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => false,
        Ok(_) | Err(_) => true,
    }
}

/// Collects dead children; answers the command's end when it is among them.
fn reap(main: Pid, wait: Wait) -> Option<Status> {
    let mut status = None;
    loop {
        match system::wait_for_any(wait) {
            Ok(Some((pid, ended))) if pid == main => status = Some(ended),
            Ok(Some(_)) | Err(Errno::EINTR) => {}
            Ok(None) | Err(_) => return status,
        }
    }
}

fn processor_time() -> u64 {
    let used = getrusage(UsageWho::RUSAGE_CHILDREN);
    let microseconds =
        used.map_or(0, |used| used.user_time().num_microseconds() + used.system_time().num_microseconds());
    u64::try_from(microseconds).unwrap_or(0)
}
