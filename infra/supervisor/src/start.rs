use std::ffi::OsString;
use std::fmt;
use std::io::{self, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::{Shutdown, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use sandbox::Part;
use sandbox_protocol::{Frames, encode};

use crate::order::{Opening, Order, Refusal};
use crate::spawner;

/// More than setting up ever takes; a launcher that starts something else must not hang its caller.
const MAX_SET_UP: Duration = Duration::from_secs(30);
/// More than ending ever takes, short of a process stuck in the kernel.
const MAX_ENDING: Duration = Duration::from_secs(10);

/// How to start a process that calls [`supervise`](crate::supervise): usually the embedding program itself with an argument
/// of its own.
#[derive(Clone, Debug)]
pub struct Launcher {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
}

/// Why no supervisor was started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another supervisor has this directory.
    #[error("the sandbox is in use by another process")]
    InUse,
    /// The machine lacks something that the mode needs.
    #[error("this machine lacks {part} ({detail}): {remedy}")]
    Lacking {
        part: Part,
        /// What the kernel answered.
        detail: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The specification cannot be met on any machine.
    #[error("{0}")]
    Invalid(String),
    #[error("the sandbox could not be set up: {0}")]
    Other(String),
}

/// Keeps a supervisor alive. Dropping it ends the supervisor with everything inside and returns when all is gone, unless the order
/// was to keep it.
pub struct Tether {
    socket: UnixStream,
    supervisor: Child,
    keep: bool,
    listener: Option<TcpListener>,
}

impl Tether {
    /// With [`Network::Proxy`](sandbox::Network::Proxy), once: the socket that listens on the commands' loopback.
    pub fn take_listener(&mut self) -> Option<TcpListener> {
        self.listener.take()
    }
}

/// Starts a supervisor. Blocks until the sandbox is open, which takes some milliseconds.
///
/// # Errors
///
/// [`StartError::Invalid`] for a specification that cannot be met, [`StartError::Lacking`] when the machine cannot do what the
/// mode needs, [`StartError::InUse`] while another supervisor has the directory, [`StartError::Other`] otherwise.
pub fn start(launcher: &Launcher, order: &Order) -> Result<Tether, StartError> {
    begin(launcher, &Opening { order: order.clone(), trial: false })
}

pub(crate) fn begin(launcher: &Launcher, opening: &Opening) -> Result<Tether, StartError> {
    let failed = |error: io::Error| StartError::Other(format!("starting the supervisor: {error}"));
    let (ours, theirs) = UnixStream::pair().map_err(failed)?;
    let mut command = Command::new(&launcher.program);
    command.args(&launcher.arguments).env_clear().current_dir("/");
    command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
    let mut supervisor = spawner::spawn(command).map_err(failed)?;
    match negotiate(&ours, opening) {
        Ok(listener) => Ok(Tether { socket: ours, supervisor, keep: opening.order.keep, listener }),
        Err(error) => {
            let _ = supervisor.kill();
            let _ = supervisor.wait();
            Err(error)
        }
    }
}

/// Answers the listener of the sandbox's network.
fn negotiate(mut ours: &UnixStream, opening: &Opening) -> Result<Option<TcpListener>, StartError> {
    let silent = |_| StartError::Other("the supervisor did not answer; does its launcher call `supervise`?".to_owned());
    ours.set_read_timeout(Some(MAX_SET_UP)).map_err(silent)?;
    let opening = encode(opening, &[]).map_err(|error| StartError::Other(error.to_string()))?;
    ours.write_all(&opening).map_err(silent)?;
    let mut frames = Frames::default();
    let mut listener = None;
    loop {
        if let Some((answer, _)) = frames.take::<Result<(), Refusal>>().map_err(silent)? {
            return answer.map(|()| listener).map_err(refused);
        }
        let mut chunk = [0; 4 << 10];
        match receive(ours, &mut chunk, &mut listener) {
            Ok(0) => {
                let message = "the supervisor ended before it answered; its launcher must call `supervise` before any thread is \
                               started";
                return Err(StartError::Other(message.to_owned()));
            }
            Ok(read) => frames.push(&chunk[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(silent(error)),
        }
    }
}

/// Reads bytes, and the descriptor that has come with them.
fn receive(ours: &UnixStream, bytes: &mut [u8], listener: &mut Option<TcpListener>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(ours, &mut [IoSliceMut::new(bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message
            && let Some(descriptor) = descriptors.last()
        {
            *listener = Some(TcpListener::from(descriptor));
        }
    }
    Ok(received.bytes)
}

fn refused(refusal: Refusal) -> StartError {
    match refusal {
        Refusal::InUse => StartError::InUse,
        Refusal::Invalid(message) => StartError::Invalid(message),
        Refusal::Lacking { part, detail } => StartError::Lacking { part, detail, remedy: part.remedy() },
        Refusal::Other(message) => StartError::Other(message),
    }
}

impl Drop for Tether {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        let _ = self.socket.shutdown(Shutdown::Write);
        let _ = self.socket.set_read_timeout(Some(MAX_ENDING));
        // The supervisor says nothing more: this returns when its end closes.
        while let Err(error) = self.socket.read(&mut [0]) {
            if error.kind() != io::ErrorKind::Interrupted {
                break;
            }
        }
        let _ = self.supervisor.kill();
        let _ = self.supervisor.wait();
    }
}

impl fmt::Debug for Tether {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tether").field("supervisor", &self.supervisor.id()).finish_non_exhaustive()
    }
}
