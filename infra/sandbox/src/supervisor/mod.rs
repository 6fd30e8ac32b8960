//! The supervisor: a process of its own, single-threaded, outside the namespaces. It owns the spool and what runs.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{chdir, dup2_stdin, setsid};

use self::ground::Ground;
use self::place::Place;
use self::serving::Serving;
use crate::layout::Layout;
use crate::specification::Specification;
use crate::system;
use crate::wire::{self, Frames, Refusal, Reply, Request};

mod environment;
mod ground;
mod place;
mod running;
mod serving;

/// The whole life of a supervisor process, started by [`Sandbox::open`](crate::Sandbox::open) through its
/// [`Launcher`](crate::Launcher). To be called first thing in `main`, before any thread is started; refuses to work otherwise,
/// and when it was not started by this library.
pub fn supervise() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody reads the reason: standard error is closed, and the embedding program sees the socket close.
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve() -> io::Result<()> {
    // A fork of a process with threads may not do what ours do.
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("a supervisor must have one thread"));
    }
    set_pdeathsig(Signal::SIGKILL)?;
    // Directories of the sandbox have to be passable for its user, whatever the caller's umask is.
    umask(Mode::from_bits_truncate(0o022));
    let mut control = take_control()?;
    system::close_all_on_exec();
    // Ctrl-C at the terminal is for the embedding program, which then ends this one.
    let _ = setsid();
    chdir("/")?;

    let mut frames = Frames::default();
    let Some((Request::Open(specification), _)) = wire::receive(&mut control, &mut frames)? else {
        return Err(io::Error::other("the first request must be to open"));
    };
    match open(specification) {
        Ok((ground, place)) => {
            wire::send(&mut control, &Reply::Opened(Ok(())), &[])?;
            Serving::new(control, frames, ground, place).serve()
        }
        Err(refusal) => wire::send(&mut control, &Reply::Opened(Err(refusal)), &[]),
    }
}

fn open(specification: Specification) -> Result<(Ground, Place), Refusal> {
    let layout = Layout::new(&specification);
    let place = Place::open(specification, layout)?;
    let ground = Ground::open(&place)?;
    Ok((ground, place))
}

/// Moves the socket away from standard input, where children would inherit it.
fn take_control() -> io::Result<UnixStream> {
    let control = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    // Fails on a terminal or a pipe: somebody typed the command.
    control.peer_addr()?;
    dup2_stdin(std::fs::File::open("/dev/null")?)?;
    Ok(control)
}
