//! Session locks: one lock file per session, which the kernel releases when its process ends.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::SessionId;

/// Content of a lock file whose holder drives the session. A process that only recovers a session holds the lock for a
/// moment and leaves the file empty.
const DRIVEN: &str = "driven";

/// The exclusive right to drive a session, released on drop.
#[derive(Debug)]
pub struct SessionLock {
    file: File,
}

impl Drop for SessionLock {
    fn drop(&mut self) {
        // Closing the file releases the lock. The content counts only while the lock is held.
        if let Err(error) = self.file.set_len(0) {
            tracing::debug!(%error, "a lock file was not emptied");
        }
    }
}

/// The locks of all sessions, in one directory.
#[derive(Debug, Clone)]
pub struct SessionLocks {
    directory: PathBuf,
}

impl SessionLocks {
    /// Creates `directory` unless it exists.
    pub fn new(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self { directory: directory.to_owned() })
    }

    /// Acquires the lock of a session to drive it. Returns none when another process drives the session, or holds its lock
    /// for more than two seconds.
    pub async fn acquire_to_drive(&self, session: &SessionId) -> io::Result<Option<SessionLock>> {
        const MAX_TRIES: u32 = 100;
        const PAUSE: Duration = Duration::from_millis(20);
        for _ in 0..MAX_TRIES {
            if let Some(mut lock) = self.try_acquire(session)? {
                lock.file.write_all(DRIVEN.as_bytes())?;
                return Ok(Some(lock));
            }
            if self.is_driven(session)? {
                break;
            }
            // The holder recovers the session, or has not yet written that it drives it.
            tokio::time::sleep(PAUSE).await;
        }
        Ok(None)
    }

    /// Acquires the lock of a session whose run is over, to delete the session. Its driver may need some seconds until it returns:
    /// it removes the sandbox first. Returns none when it needs more than ten.
    pub(crate) async fn acquire_to_delete(&self, session: &SessionId) -> io::Result<Option<SessionLock>> {
        const MAX_TRIES: u32 = 200;
        const PAUSE: Duration = Duration::from_millis(50);
        for _ in 0..MAX_TRIES {
            if let Some(lock) = self.try_acquire(session)? {
                return Ok(Some(lock));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(None)
    }

    /// Acquires the lock of a session for a moment. Returns none when another process holds it.
    pub fn try_acquire(&self, session: &SessionId) -> io::Result<Option<SessionLock>> {
        let path = self.directory.join(session.as_str());
        let file = File::options().create(true).truncate(false).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => {
                // A driver that was killed left its content.
                file.set_len(0)?;
                Ok(Some(SessionLock { file }))
            }
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    /// Removes the lock file of a session that was deleted, so that nobody drives it again. The file is removed while the lock
    /// is held.
    pub(crate) fn remove(&self, session: &SessionId, _lock: SessionLock) -> io::Result<()> {
        fs::remove_file(self.directory.join(session.as_str()))
    }

    fn is_driven(&self, session: &SessionId) -> io::Result<bool> {
        let mut content = String::new();
        File::open(self.directory.join(session.as_str()))?.read_to_string(&mut content)?;
        Ok(content == DRIVEN)
    }
}
