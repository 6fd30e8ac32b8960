//! One process at a time drives a session: a lock file per session, which the kernel frees when the process ends.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::SessionId;

/// The right to drive a session. Given back when dropped.
#[derive(Debug)]
pub struct SessionLock {
    _file: File,
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

    /// Takes the lock of a session, waiting a moment for those who only look after it (lists, tidying up); none when another
    /// process drives it.
    pub async fn take_to_drive(&self, session: &SessionId) -> io::Result<Option<SessionLock>> {
        const TRIES: u32 = 60;
        const PAUSE: Duration = Duration::from_millis(50);
        for _ in 0..TRIES {
            if let Some(lock) = self.take(session)? {
                return Ok(Some(lock));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(None)
    }

    /// Takes the lock of a session; none when another process has it.
    pub fn take(&self, session: &SessionId) -> io::Result<Option<SessionLock>> {
        let file =
            File::options().create(true).truncate(false).write(true).open(self.directory.join(session.as_str()))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(SessionLock { _file: file })),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }
}
