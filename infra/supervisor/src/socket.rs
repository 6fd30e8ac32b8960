//! The socket in a sandbox's directory. Its path may be longer than an address can hold, so the directory is opened first.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::libc;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::sys::stat::{Mode, umask};
use nix::unistd::Uid;

const NAME: &str = "socket";

/// Replaces what a supervisor of this directory has left. The caller has the directory's lock.
pub(crate) fn listen(directory: &Path) -> io::Result<UnixListener> {
    let (_opened, path) = short(directory)?;
    remove(directory)?;
    let before = umask(Mode::from_bits_truncate(0o177));
    let listener = UnixListener::bind(path);
    umask(before);
    let listener = listener?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

pub(crate) fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_file(directory.join(NAME)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

pub(crate) fn reach(directory: &Path) -> io::Result<UnixStream> {
    let (_opened, path) = short(directory)?;
    UnixStream::connect(path)
}

/// The process at the other end: its number, and whether it is of this process's user or the superuser.
pub(crate) fn peer(stream: &UnixStream) -> io::Result<(i32, bool)> {
    let peer = getsockopt(stream, PeerCredentials)?;
    let user = Uid::from_raw(peer.uid());
    Ok((peer.pid(), user.is_root() || user == Uid::effective()))
}

fn short(directory: &Path) -> io::Result<(File, PathBuf)> {
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(directory)?;
    let path = format!("/proc/self/fd/{}/{NAME}", opened.as_raw_fd()).into();
    Ok((opened, path))
}
