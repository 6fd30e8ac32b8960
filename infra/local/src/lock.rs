//! One process at a time drives a session: a lock file per session, which the kernel frees when the process ends.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::SessionId;

/// What a lock file says while its holder drives the session. Who only looks after a session holds the lock for a moment and
/// leaves it empty.
const DRIVEN: &str = "driven";

/// The right to drive a session. Given back when dropped.
#[derive(Debug)]
pub struct SessionLock {
    file: File,
}

impl Drop for SessionLock {
    fn drop(&mut self) {
        // The lock goes with the file; what is left in it says nothing without the lock.
        if let Err(error) = self.file.set_len(0) {
            tracing::debug!(%error, "a lock file was not emptied");
        }
    }
}

/// Where the locks are.
#[derive(Debug, Clone)]
pub struct Locks {
    directory: PathBuf,
}

impl Locks {
    /// Locks in `directory`.
    pub fn new(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self { directory: directory.to_owned() })
    }

    /// Takes the lock of a session to drive it; none when another process does.
    pub async fn take_to_drive(&self, session: &SessionId) -> io::Result<Option<SessionLock>> {
        const TRIES: u32 = 100;
        const PAUSE: Duration = Duration::from_millis(20);
        for _ in 0..TRIES {
            if let Some(mut lock) = self.take(session)? {
                lock.file.write_all(DRIVEN.as_bytes())?;
                return Ok(Some(lock));
            }
            if self.is_driven(session)? {
                break;
            }
            // Somebody only looks after it, or is just about to drive it.
            tokio::time::sleep(PAUSE).await;
        }
        Ok(None)
    }

    /// Takes the lock of a session for a moment; none when another process has it.
    pub fn take(&self, session: &SessionId) -> io::Result<Option<SessionLock>> {
        let path = self.directory.join(session.as_str());
        let file = File::options().create(true).truncate(false).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => {
                // A driver that was killed left its word.
                file.set_len(0)?;
                Ok(Some(SessionLock { file }))
            }
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    fn is_driven(&self, session: &SessionId) -> io::Result<bool> {
        let mut said = String::new();
        File::open(self.directory.join(session.as_str()))?.read_to_string(&mut said)?;
        Ok(said == DRIVEN)
    }
}
