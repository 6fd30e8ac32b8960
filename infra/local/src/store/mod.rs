//! The store of the one-machine world: SQLite, shared by all processes that use the same directory.

mod accounts;
mod event_log;
mod executions;
mod seal;
mod sessions;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::Dependency;
use domain::Unavailable;
use rusqlite::Connection;
use tokio::sync::watch;

use seal::Seal;

/// How long a writer waits for another process's write.
const BUSY: Duration = Duration::from_secs(10);

/// How often another process's writes are looked for, where somebody waits for them.
const POLL: Duration = Duration::from_millis(100);

/// The store. Clones share one connection.
#[derive(Clone)]
pub struct Store {
    connection: Arc<Mutex<Connection>>,
    seal: Arc<Seal>,
    /// Told after every write of this process.
    written: Arc<watch::Sender<()>>,
}

impl Store {
    /// Opens the store in `directory`, which has to exist.
    pub fn open(directory: &Path) -> Result<Self, Unavailable> {
        let file = directory.join("backspace.db");
        // SQLite gives its other files the same permissions.
        let private = OpenOptions::new().create(true).append(true).mode(0o600).open(&file);
        private.map_err(|error| Unavailable::new(Dependency::Store, format!("{}: {error}", file.display())))?;
        let connection = Connection::open(file).map_err(unavailable)?;
        connection.busy_timeout(BUSY).map_err(unavailable)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(unavailable)?;
        // An append is acknowledged when it is on the disk.
        connection.pragma_update(None, "synchronous", "FULL").map_err(unavailable)?;
        connection.execute_batch(include_str!("schema.sql")).map_err(unavailable)?;
        let seal = Seal::open(&directory.join("key")).map_err(|error| Unavailable::new(Dependency::Store, error))?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), seal: Arc::new(seal), written: Arc::default() })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        self.written.send_replace(());
    }

    /// Returns when `look` finds something, or none after `at_most`. Looks at once, after every write of this process,
    /// and every [`POLL`] for the writes of others.
    async fn wait_for<T>(
        &self,
        at_most: Duration,
        mut look: impl FnMut(&Connection) -> Result<Option<T>, rusqlite::Error>,
    ) -> Result<Option<T>, Unavailable> {
        let mut written = self.written.subscribe();
        let deadline = tokio::time::Instant::now() + at_most;
        loop {
            written.borrow_and_update();
            let found = look(&self.connection()).map_err(unavailable)?;
            if found.is_some() || tokio::time::Instant::now() >= deadline {
                return Ok(found);
            }
            let pause = deadline.min(tokio::time::Instant::now() + POLL);
            // Which of the two ends the pause does not matter.
            let _ = tokio::time::timeout_at(pause, written.changed()).await;
        }
    }
}

fn unavailable(error: rusqlite::Error) -> Unavailable {
    Unavailable::new(Dependency::Store, error)
}

fn unreadable(error: impl std::fmt::Display) -> Unavailable {
    Unavailable::new(Dependency::Store, format!("what it holds cannot be read: {error}"))
}
