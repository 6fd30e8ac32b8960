use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::os::fd::AsFd;

use crate::socket;

/// More than ending ever takes, short of a process stuck in the kernel.
const MAX_ENDING: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);

/// Connects to the supervisor of a sandbox's directory.
///
/// # Errors
///
/// `NotFound` or `ConnectionRefused` when there is none.
pub fn connect(directory: &Path) -> io::Result<UnixStream> {
    socket::reach(directory)
}

/// Ends the supervisor of a sandbox's directory, whoever has started it, and everything inside. Returns when all is gone; that
/// there is none is fine.
///
/// # Errors
///
/// `TimedOut` when it does not end, or is just being started; others when it may not be killed.
pub fn end(directory: &Path) -> io::Result<()> {
    match connect(directory) {
        Ok(connection) => kill(&connection)?,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {}
        Err(error) => return Err(error),
    }
    let begin = Instant::now();
    while sandbox::is_in_use(directory).map_err(io::Error::other)? {
        if begin.elapsed() > MAX_ENDING {
            return Err(io::ErrorKind::TimedOut.into());
        }
        sleep(PAUSE);
    }
    Ok(())
}

/// Kills the process that listens at the other end.
fn kill(connection: &UnixStream) -> io::Result<()> {
    let (pid, _) = socket::peer(connection)?;
    let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::NotFound)?;
    let handle = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        other => other?,
    };
    // As long as the connection stands, the number was not given to another process before it was opened.
    let mut watched = [PollFd::new(connection.as_fd(), PollFlags::empty())];
    poll(&mut watched, PollTimeout::ZERO)?;
    if watched[0].any() == Some(true) {
        return Ok(());
    }
    match pidfd_send_signal(&handle, Signal::KILL) {
        Err(rustix::io::Errno::SRCH) => Ok(()),
        other => Ok(other?),
    }
}
