//! The connections to the database: one whose commits are on the disk when it returns, and one whose commits follow later.

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::Unavailable;
use rusqlite::{Connection, Params, Row};

use super::{migration, unavailable};

/// How long a statement waits for another process's write before SQLite reports the database as busy.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Statements that a connection keeps prepared: more than there are, since preparing one takes longer than running it.
const MAX_PREPARED: usize = 128;

pub(super) struct Connections(Mutex<Both>);

struct Both {
    synced: Connection,
    unsynced: Connection,
}

/// One of the connections, for one caller at a time: within a process nobody finds the database busy.
pub(super) struct Held<'a> {
    connections: MutexGuard<'a, Both>,
    synced: bool,
}

impl Connections {
    /// Opens the database, and brings one of an earlier version up to this one.
    pub(super) fn open(file: &Path) -> Result<Self, Unavailable> {
        // In WAL mode, only FULL syncs each commit to the disk before it is acknowledged.
        let mut synced = open(file, "FULL").map_err(unavailable)?;
        synced.execute_batch(include_str!("schema.sql")).map_err(unavailable)?;
        migration::add_columns(&mut synced)?;
        migration::move_queues(&mut synced)?;
        let unsynced = open(file, "NORMAL").map_err(unavailable)?;
        Ok(Self(Mutex::new(Both { synced, unsynced })))
    }

    /// The connection whose commits are on the disk when they return.
    pub(super) fn synced(&self) -> Held<'_> {
        Held { connections: self.lock(), synced: true }
    }

    /// The connection whose commits are not synced to the disk one by one. They survive the death of any process, and a power
    /// failure takes back only the latest of them, together with nothing that was committed otherwise after them.
    pub(super) fn unsynced(&self) -> Held<'_> {
        Held { connections: self.lock(), synced: false }
    }

    fn lock(&self) -> MutexGuard<'_, Both> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held<'_> {
    /// Like [`Connection::execute`], with a statement that stays prepared.
    pub(super) fn execute(&self, query: &str, parameters: impl Params) -> rusqlite::Result<usize> {
        self.prepare_cached(query)?.execute(parameters)
    }

    /// Like [`Connection::query_row`], with a statement that stays prepared.
    pub(super) fn query_row<T>(
        &self,
        query: &str,
        parameters: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.prepare_cached(query)?.query_row(parameters, read)
    }
}

impl Deref for Held<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        if self.synced { &self.connections.synced } else { &self.connections.unsynced }
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        if self.synced { &mut self.connections.synced } else { &mut self.connections.unsynced }
    }
}

fn open(file: &Path, synchronous: &str) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.set_prepared_statement_cache_capacity(MAX_PREPARED);
    Ok(connection)
}
