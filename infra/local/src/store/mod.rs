//! The SQLite store: event logs, session records, accounts, reservations and executions. Processes that use the same directory share it.

mod accounts;
mod event_log;
mod executions;
mod migration;
mod reservations;
mod seal;
mod sessions;

use std::fs::OpenOptions;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::ports::Blobs;
use domain::{Dependency, Unavailable};
use rusqlite::Connection;
use tokio::sync::watch;

use seal::Seal;

/// How long a statement waits for another process's write before SQLite reports the database as busy.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a waiting caller checks for writes of other processes, which do not notify it.
const POLL: Duration = Duration::from_millis(100);

/// Clones share one connection.
#[derive(Clone)]
pub struct Store {
    connection: Arc<Mutex<Connection>>,
    seal: Arc<Seal>,
    /// Holds the batches that are too large for a row.
    blobs: Arc<dyn Blobs>,
    /// Notified after every write of this process.
    written: Arc<watch::Sender<()>>,
}

impl Store {
    /// Opens the store in `directory`, which has to exist. Creates the database and its key at the first start.
    pub fn open(directory: &Path, blobs: Arc<dyn Blobs>) -> Result<Self, Unavailable> {
        let file = directory.join("backspace.db");
        // SQLite gives its journal the permissions of the database file.
        let created = OpenOptions::new().create(true).append(true).mode(0o600).open(&file);
        created.map_err(|error| Unavailable::new(Dependency::Store, format!("{}: {error}", file.display())))?;
        let mut connection = Connection::open(file).map_err(unavailable)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(unavailable)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(unavailable)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(unavailable)?;
        connection.execute_batch(include_str!("schema.sql")).map_err(unavailable)?;
        migration::add_columns(&mut connection)?;
        migration::move_queues(&mut connection)?;
        let seal = Seal::open(&directory.join("key")).map_err(|error| Unavailable::new(Dependency::Store, error))?;
        let connection = Arc::new(Mutex::new(connection));
        Ok(Self { connection, seal: Arc::new(seal), blobs, written: Arc::default() })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection whose commits are not synced to the disk one by one. They survive the death of any process, and a power failure
    /// takes back only the latest of them, together with nothing that was committed otherwise after them. For what is derived from
    /// the log, and for positions of executions: from an earlier one, steps run again and find in the log what they have done.
    fn derived(&self) -> Derived<'_> {
        let connection = self.connection();
        set_synchronous(&connection, "NORMAL");
        Derived(connection)
    }

    fn notify(&self) {
        self.written.send_replace(());
    }

    /// Returns what `check` finds, or none after `timeout`. Checks at once, after every write of this process, and every
    /// [`POLL`] for writes of other processes.
    async fn wait_for<T>(
        &self,
        timeout: Duration,
        mut check: impl FnMut(&Connection) -> Result<Option<T>, rusqlite::Error>,
    ) -> Result<Option<T>, Unavailable> {
        let mut written = self.written.subscribe();
        let deadline = tokio::time::Instant::now() + timeout;
        loop {
            written.borrow_and_update();
            let found = check(&self.connection()).map_err(unavailable)?;
            if found.is_some() || tokio::time::Instant::now() >= deadline {
                return Ok(found);
            }
            let pause = deadline.min(tokio::time::Instant::now() + POLL);
            // Both ends of the pause, a write or the time-out, lead to the next check.
            let _ = tokio::time::timeout_at(pause, written.changed()).await;
        }
    }
}

/// See [`Store::derived`].
struct Derived<'a>(MutexGuard<'a, Connection>);

impl Deref for Derived<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl DerefMut for Derived<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0
    }
}

impl Drop for Derived<'_> {
    fn drop(&mut self) {
        set_synchronous(&self.0, "FULL");
    }
}

/// In WAL mode, only FULL syncs each commit to the disk before it is acknowledged.
fn set_synchronous(connection: &Connection, value: &str) {
    if let Err(error) = connection.pragma_update(None, "synchronous", value) {
        tracing::error!(error = domain::error_chain(&error), value, "the database's durability cannot be set");
    }
}

fn unavailable(error: rusqlite::Error) -> Unavailable {
    Unavailable::new(Dependency::Store, error)
}

fn unreadable(error: impl std::fmt::Display) -> Unavailable {
    Unavailable::new(Dependency::Store, format!("its content cannot be read: {error}"))
}
