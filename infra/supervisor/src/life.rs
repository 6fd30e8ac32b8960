//! The life of a supervisor process.

use std::io::{self, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use nix::sys::prctl::{set_dumpable, set_pdeathsig};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{chdir, dup2_stdin, setsid};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use sandbox::Sandbox;
use sandbox_protocol::{Frames, encode};

use crate::ending;
use crate::order::{Opening, Order, Refusal};
use crate::server::{End, Server};
use crate::{socket, trial, worker};

/// The whole life of a supervisor process that [`start`](crate::start) has started. To be called first thing in `main`, before any
/// thread is started; refuses to work otherwise, and when it was not started by this library.
pub fn supervise() -> ExitCode {
    match serve_starter() {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody reads the reason: standard error is closed, and whoever started this sees the socket close.
        Err(_) => ExitCode::FAILURE,
    }
}

/// The same without a starter: serves until the lifetime or the idle time is over. To be called before any thread is started.
///
/// # Errors
///
/// Why the sandbox was not opened, or was lost.
pub fn serve(order: Order) -> io::Result<()> {
    settle()?;
    match open(Opening { order, trial: false }) {
        Ok((server, _)) => conclude(server.serve(None)),
        Err(refusal) => Err(io::Error::other(refusal)),
    }
}

fn serve_starter() -> io::Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    let mut tether = take_tether()?;
    settle()?;
    let opening = receive(&mut tether)?;
    let keep = opening.order.keep;
    if keep {
        set_pdeathsig(None)?;
    }
    match open(opening) {
        Ok((server, listener)) => {
            let answer = encode(&Ok::<(), Refusal>(()), &[])?;
            send_with_descriptor(&tether, &answer, listener.as_ref().map(AsFd::as_fd))?;
            // Whoever started this has it alone: with nobody to serve it, commands are to be refused instead of waiting.
            drop(listener);
            // Closed last: whoever started this takes it for the end of everything.
            let tether = (!keep).then_some(tether);
            conclude(server.serve(tether.as_ref()))
        }
        Err(refusal) => tether.write_all(&encode(&Err::<(), Refusal>(refusal), &[])?),
    }
}

fn settle() -> io::Result<()> {
    // Directories of the sandbox have to be passable for its user, whatever the caller's umask is.
    umask(Mode::from_bits_truncate(0o022));
    sandbox::close_all_on_exec();
    // Ctrl-C at the terminal is for whoever started this, which then ends it.
    let _ = setsid();
    // Each command takes several descriptors.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    Ok(chdir("/")?)
}

/// Opens the sandbox. Also answers the listener of its network.
fn open(Opening { order, trial }: Opening) -> Result<(Server, Option<TcpListener>), Refusal> {
    let directory = order.specification.directory.clone();
    if let Some(ending) = crate::ended(&directory) {
        return Err(ending.into());
    }
    let mut sandbox = Sandbox::open(order.specification.clone(), worker::work)?;
    // A predecessor may have ended between the first look and the lock.
    if let Some(ending) = crate::ended(&directory) {
        return Err(ending.into());
    }
    let listener = socket::listen(&directory)?;
    if trial {
        trial::run(&mut sandbox)?;
    }
    // Only now: a process that is not dumpable may not give its children's namespace its user.
    set_dumpable(false).map_err(io::Error::from)?;
    let network = sandbox.take_listener();
    Ok((Server::new(sandbox, listener, order), network))
}

/// The descriptor goes with the first byte.
fn send_with_descriptor(mut tether: &UnixStream, bytes: &[u8], descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if let Some(descriptor) = &descriptor {
        ancillary.push(SendAncillaryMessage::ScmRights(std::slice::from_ref(descriptor)));
    }
    let sent = sendmsg(tether, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
    tether.write_all(&bytes[sent..])
}

/// Kills what is inside and leaves word of the end while the directory is still locked.
fn conclude((server, end): (Server, io::Result<End>)) -> io::Result<()> {
    // The starter's death, which may be what ends this, must not end it in the middle.
    let _ = set_pdeathsig(None);
    let directory = server.directory().to_path_buf();
    let recorded = match &end {
        Ok(End::Ending(ending)) => ending::record(&directory, *ending),
        Ok(End::Untethered) | Err(_) => Ok(()),
    };
    let removed = socket::remove(&directory);
    drop(server);
    end?;
    recorded.and(removed)
}

/// Moves the socket away from standard input, where children would inherit it.
fn take_tether() -> io::Result<UnixStream> {
    let tether = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    // Fails on a terminal or a pipe: somebody typed the command.
    tether.peer_addr()?;
    dup2_stdin(std::fs::File::open("/dev/null")?)?;
    Ok(tether)
}

fn receive(tether: &mut UnixStream) -> io::Result<Opening> {
    let mut frames = Frames::default();
    let mut chunk = [0; 16 << 10];
    loop {
        if let Some((opening, _)) = frames.take()? {
            return Ok(opening);
        }
        match tether.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => frames.push(&chunk[..read]),
        }
    }
}
