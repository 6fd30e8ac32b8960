//! The socket in the program's own directory, by which other commands find a server that runs.
//!
//! Who may use the directory may use the socket: the directory's permissions say so.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::net::UnixListener;

const NAME: &str = "server.sock";
const LOCK: &str = "server.lock";

/// The right to be the server of a directory; given back when dropped.
pub(crate) struct Presence {
    home: PathBuf,
    _lock: File,
}

impl Presence {
    /// Becomes the server of a directory. Fails when there is one.
    pub(super) fn take(home: &Path) -> anyhow::Result<Self> {
        let lock = File::options().create(true).truncate(false).write(true).open(home.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { home: home.to_owned(), _lock: lock }),
            Err(std::fs::TryLockError::WouldBlock) => {
                anyhow::bail!("another server uses {} already; stop it, or name another BACKSPACE_HOME", home.display())
            }
            Err(std::fs::TryLockError::Error(error)) => Err(error).context("cannot lock the program's directory"),
        }
    }

    /// Listens on the directory's socket. What an earlier server left is replaced.
    pub(super) fn listen(&self) -> io::Result<UnixListener> {
        match std::fs::remove_file(self.home.join(NAME)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let (path, _directory) = short(&self.home)?;
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(self.home.join(NAME), std::fs::Permissions::from_mode(0o600))?;
        Ok(listener)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        // A socket that nobody listens on says nothing; the next server replaces it.
        let _ = std::fs::remove_file(self.home.join(NAME));
    }
}

/// The address of the directory's socket, which holds as long as the directory that comes with it is open.
pub(crate) fn socket_path(home: &Path) -> io::Result<(PathBuf, File)> {
    short(home)
}

/// Addresses of sockets have at most 107 bytes, directories have no such bound: the way through the open directory is short.
fn short(home: &Path) -> io::Result<(PathBuf, File)> {
    let directory = File::open(home)?;
    let path = format!("/proc/self/fd/{}/{NAME}", directory.as_raw_fd());
    Ok((PathBuf::from(path), directory))
}
