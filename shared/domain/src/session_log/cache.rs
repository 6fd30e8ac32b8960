//! A cache of the logs that a process has read, so that it does not read them again for every step.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::SessionId;
use crate::ports::{Clock, EventLog};

use super::{LogSnapshot, SessionLog, SessionLogError};

/// Maximum logs in the cache; the least recently used one is dropped.
const MAX_CACHED_LOGS: usize = 8;

/// Opens session logs of one event log, and caches what was read.
///
/// The cache needs no invalidation: an event never changes, so what was read stays the beginning of the log, and what was
/// appended since, by any process, is read when the log is opened again. Losing the cache costs time and no information.
#[derive(Clone, Default)]
pub struct SessionLogCache {
    /// Most recently used last.
    entries: Arc<Mutex<VecDeque<(SessionId, LogSnapshot)>>>,
}

impl SessionLogCache {
    /// Opens the log of a session, reading only what is not cached. `event_log` has to be the same one in every call.
    ///
    /// # Errors
    /// As [`SessionLog::open`].
    pub async fn open(
        &self,
        event_log: Arc<dyn EventLog>,
        clock: Arc<dyn Clock>,
        session: &SessionId,
    ) -> Result<SessionLog, SessionLogError> {
        let snapshot = self.remove(session).unwrap_or_default();
        SessionLog::resume(event_log, clock, session, snapshot).await
    }

    /// Caches what `log` has read.
    pub fn insert(&self, log: SessionLog) {
        let (session, snapshot) = log.into_snapshot();
        // Another task may have cached the same log meanwhile: the one that was read further stays.
        let snapshot = match self.remove(&session) {
            Some(other) if other.state.tail > snapshot.state.tail => other,
            Some(_) | None => snapshot,
        };
        let mut entries = self.entries();
        entries.push_back((session, snapshot));
        if entries.len() > MAX_CACHED_LOGS {
            entries.pop_front();
        }
    }

    fn remove(&self, session: &SessionId) -> Option<LogSnapshot> {
        let mut entries = self.entries();
        let index = entries.iter().position(|(cached, _)| cached == session)?;
        entries.remove(index).map(|(_, snapshot)| snapshot)
    }

    fn entries(&self) -> MutexGuard<'_, VecDeque<(SessionId, LogSnapshot)>> {
        // A panic cannot leave an entry half written, so a poisoned lock is usable.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
