//! Opens the logs of sessions.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ports::{Blobs, Clock, EventLog, Sessions};
use crate::transcript::TextCache;
use crate::{SessionId, error_chain};

use super::folded::Folded;
use super::snapshot::Snapshots;
use super::{SessionLog, SessionLogError};

/// Maximum logs in the cache; the least recently used one is dropped.
const MAX_CACHED_LOGS: usize = 8;

/// Opens the logs of sessions: each from what this process knows of it already, or else from its snapshot, and reads only what
/// was appended since.
///
/// The cache needs no invalidation: an event never changes, so what was folded stays the beginning of the log, and what was
/// appended since, by any process, is read when the log is opened again. Losing the cache costs time and no information.
#[derive(Clone)]
pub struct SessionLogs {
    pub(super) event_log: Arc<dyn EventLog>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) snapshots: Snapshots,
    pub(super) texts: Arc<TextCache>,
    cached: Arc<Mutex<VecDeque<Cached>>>,
    max_cached: usize,
}

/// What is known of a log.
pub(super) struct Cached {
    pub(super) session: SessionId,
    pub(super) folded: Folded,
}

impl SessionLogs {
    pub fn new(
        event_log: Arc<dyn EventLog>,
        sessions: Arc<dyn Sessions>,
        blobs: Arc<dyn Blobs>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let snapshots = Snapshots { sessions, blobs };
        let max_cached = MAX_CACHED_LOGS;
        Self { event_log, clock, snapshots, texts: Arc::default(), cached: Arc::default(), max_cached }
    }

    /// The same without a cache, for a process that opens a log once.
    #[must_use]
    pub fn uncached(self) -> Self {
        Self { texts: Arc::new(TextCache::of_size(0)), cached: Arc::default(), max_cached: 0, ..self }
    }

    /// Reads the log of a session, to append to its latest run as a command, which has no fence.
    ///
    /// # Errors
    /// [`SessionLogError::NotFound`] for a log without a session or without a run.
    pub async fn open(&self, session: &SessionId) -> Result<SessionLog, SessionLogError> {
        let folded = match self.take(session) {
            Some(folded) => folded,
            None => self.snapshots.read(session).await?.unwrap_or_default(),
        };
        SessionLog::resume(self.clone(), session, folded).await
    }

    /// Stores a snapshot of a log if it has grown enough since the last one, and keeps in memory what is known of it. Neither is
    /// needed to go on, so a failure is only logged. Nothing is kept after one: what is known may name parts that no stored
    /// snapshot has.
    pub async fn keep(&self, mut log: SessionLog) {
        if let Err(error) = log.store_snapshot_if_due().await {
            tracing::warn!(session_id = %log.session_id(), error = error_chain(&error), "the snapshot of a log was not stored");
            return;
        }
        let Cached { session, folded } = log.into_cached();
        // Another task may have cached the same log meanwhile: the one that was read further stays.
        let folded = match self.take(&session) {
            Some(other) if other.state.tail > folded.state.tail => other,
            Some(_) | None => folded,
        };
        let mut cached = self.cached();
        cached.push_back(Cached { session, folded });
        if cached.len() > self.max_cached {
            cached.pop_front();
        }
    }

    fn take(&self, session: &SessionId) -> Option<Folded> {
        let mut cached = self.cached();
        let index = cached.iter().position(|cached| cached.session == *session)?;
        cached.remove(index).map(|cached| cached.folded)
    }

    fn cached(&self) -> MutexGuard<'_, VecDeque<Cached>> {
        // A panic cannot leave an entry half written, so a poisoned lock is usable.
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
