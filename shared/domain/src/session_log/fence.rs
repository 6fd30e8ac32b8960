//! The fence: whether a step may still write, and whether it is to stop.

use std::time::Duration;

use crate::ports::read_all;
use crate::state::SessionState;

use super::{SessionLog, SessionLogError};

/// Interval at which running work checks whether it is to stop. A cancel has to be noticed within two seconds.
const STOP_POLL: Duration = Duration::from_secs(1);

impl SessionLog {
    /// Whether this step may still write, as far as the log was read.
    ///
    /// # Errors
    /// [`SessionLogError::Stale`] when a newer attempt has taken over or the run is over. Never for a command.
    pub fn check_fence(&self) -> Result<(), SessionLogError> {
        if self.is_stale(&self.folded.state) { Err(SessionLogError::Stale) } else { Ok(()) }
    }

    fn is_stale(&self, state: &SessionState) -> bool {
        let Some((_, started)) = self.writer else { return false };
        let run = state.run_number(self.run);
        run.is_none_or(|run| run.status.is_terminal() || run.last_step_started > started)
    }

    /// Whether running work is to stop, as far as the log was read: its run is to be cancelled, or this step is stale.
    pub fn is_stop_requested(&self) -> bool {
        self.requests_stop(&self.folded.state)
    }

    fn requests_stop(&self, state: &SessionState) -> bool {
        let cancelled = state.run_number(self.run).is_some_and(|run| run.cancel.is_some());
        cancelled || self.is_stale(state)
    }

    /// Returns when the log says that running work is to stop. A log that cannot be read does not stop the work: the read is
    /// retried. Leaves [`SessionLog::state`] as it is, so the caller has to refresh.
    pub async fn stop_requested(&self) {
        let mut state = self.folded.state.clone();
        while !self.requests_stop(&state) {
            let event_log = self.logs.event_log.as_ref();
            let read = match event_log.wait(&self.session, state.tail, STOP_POLL).await {
                Ok(false) => continue,
                Ok(true) => read_all(event_log, &self.session, state.tail).await,
                Err(unavailable) => Err(unavailable.into()),
            };
            match read {
                Ok(events) => events.iter().for_each(|event| state.apply(event)),
                Err(_) => self.logs.clock.sleep(STOP_POLL).await,
            }
        }
    }
}
