//! The SQLite store: event logs, session records, accounts, reservations and executions. Processes that use the same directory share it.

mod accounts;
mod connections;
mod event_log;
mod executions;
mod migration;
mod reservations;
mod seal;
mod sessions;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::ports::Blobs;
use domain::{Dependency, Unavailable};
use rusqlite::Connection;
use tokio::sync::watch;

use connections::{Connections, Held};
use seal::Seal;

/// How often a waiting caller checks for writes of other processes, which do not notify it.
const POLL: Duration = Duration::from_millis(100);

/// Clones share its connections.
#[derive(Clone)]
pub struct Store {
    connections: Arc<Connections>,
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
        let connections = Connections::open(&file)?;
        let seal = Seal::open(&directory.join("key")).map_err(|error| Unavailable::new(Dependency::Store, error))?;
        Ok(Self { connections: Arc::new(connections), seal: Arc::new(seal), blobs, written: Arc::default() })
    }

    fn connection(&self) -> Held<'_> {
        self.connections.synced()
    }

    /// For what is derived from the log, and for positions of executions: from an earlier one, steps run again and find in the log
    /// what they have done. See [`Connections::unsynced`].
    fn derived(&self) -> Held<'_> {
        self.connections.unsynced()
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

fn unavailable(error: rusqlite::Error) -> Unavailable {
    Unavailable::new(Dependency::Store, error)
}

fn unreadable(error: impl std::fmt::Display) -> Unavailable {
    Unavailable::new(Dependency::Store, format!("its content cannot be read: {error}"))
}
