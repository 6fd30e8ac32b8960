//! The socket in the program's own directory, through which other commands find a running server.
//!
//! Whoever may use the directory may use the socket: access is controlled by file permissions.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::net::UnixListener;

const SOCKET_NAME: &str = "server.sock";
const LOCK_NAME: &str = "server.lock";

/// The exclusive right to be the server of a directory. Dropping it releases the lock and removes the socket.
pub(crate) struct ServerLock {
    home: PathBuf,
    _lock: File,
}

impl ServerLock {
    /// # Errors
    ///
    /// When another server runs for the directory, or the lock file cannot be opened.
    pub(super) fn acquire(home: &Path) -> anyhow::Result<Self> {
        let lock = File::options().create(true).truncate(false).write(true).open(home.join(LOCK_NAME))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { home: home.to_owned(), _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => {
                anyhow::bail!(
                    "another server already runs for {}; stop it, or set BACKSPACE_HOME to another directory",
                    home.display()
                )
            }
            Err(fs::TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", home.join(LOCK_NAME).display()))
            }
        }
    }

    /// Listens on the directory's socket, and replaces one that a server which died left behind.
    pub(super) fn listen(&self) -> io::Result<UnixListener> {
        match fs::remove_file(self.home.join(SOCKET_NAME)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let (path, _directory) = socket_path(&self.home)?;
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(self.home.join(SOCKET_NAME), fs::Permissions::from_mode(0o600))?;
        Ok(listener)
    }
}

impl Drop for ServerLock {
    fn drop(&mut self) {
        // A socket that is left behind does no harm: connecting to it fails, and the next server replaces it.
        let _ = fs::remove_file(self.home.join(SOCKET_NAME));
    }
}

/// A path of the directory's socket, valid while the returned directory is open.
///
/// The path of a socket has at most 107 bytes (unix(7)), which the path of the directory may exceed. The path through the
/// process's open file is short.
pub(crate) fn socket_path(home: &Path) -> io::Result<(PathBuf, File)> {
    let directory = File::open(home)?;
    let path = format!("/proc/self/fd/{}/{SOCKET_NAME}", directory.as_raw_fd());
    Ok((PathBuf::from(path), directory))
}
