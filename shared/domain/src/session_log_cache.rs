//! What a process has read of logs, so that it need not read them again for every step.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ports::{Clock, EventLog};
use crate::session_log::Read;
use crate::{SessionId, SessionLog, SessionLogError};

/// The logs of so many sessions are kept.
const MAX_CACHED_LOGS: usize = 8;

/// Opens journals of one event log, and keeps what was read of it.
///
/// That is safe without asking whether it still holds: an entry of a log never changes, so what was read stays its
/// beginning, and what came since, from whomever, is read when the journal is opened again. Nothing is kept that is not in
/// the log: losing it costs time, never a fact.
#[derive(Clone, Default)]
pub struct SessionLogCache {
    /// The latest used last.
    kept: Arc<Mutex<VecDeque<(SessionId, Read)>>>,
}

impl SessionLogCache {
    /// Opens the journal of a session; `log` is always the same one.
    pub async fn open(
        &self,
        event_log: Arc<dyn EventLog>,
        clock: Arc<dyn Clock>,
        session: &SessionId,
    ) -> Result<SessionLog, SessionLogError> {
        let read = self.take(session).unwrap_or_default();
        SessionLog::go_on(event_log, clock, session, read).await
    }

    /// Keeps what a journal has read for the next one.
    pub fn keep(&self, log: SessionLog) {
        let (session, read) = log.into_read();
        // Two of one session: the one that read further stays.
        let read = match self.take(&session) {
            Some(other) if other.state.tail > read.state.tail => other,
            Some(_) | None => read,
        };
        let mut kept = self.kept();
        kept.push_back((session, read));
        if kept.len() > MAX_CACHED_LOGS {
            kept.pop_front();
        }
    }

    fn take(&self, session: &SessionId) -> Option<Read> {
        let mut kept = self.kept();
        let place = kept.iter().position(|(kept, _)| kept == session)?;
        kept.remove(place).map(|(_, read)| read)
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<(SessionId, Read)>> {
        // Each change is whole: what a panic leaves can be used.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
