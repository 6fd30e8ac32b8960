//! What a log was folded to.

use serde::{Deserialize, Serialize};

use crate::ports::{EventLog, ReadError, read_all};
use crate::state::SessionState;
use crate::transcript::Transcripts;
use crate::{Event, Seq, SessionId};

/// What follows from the events of a log that were read, and all that is kept of them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Folded {
    pub(super) state: SessionState,
    pub(super) transcripts: Transcripts,
    /// The last event that the latest known snapshot covers; 0 without one.
    #[serde(skip)]
    pub(super) snapshot: Seq,
}

impl Folded {
    pub(super) fn apply(&mut self, event: &Event) {
        self.state.apply(event);
        self.transcripts.apply(event);
    }

    /// Reads what was appended since the last read.
    pub(super) async fn read_tail(&mut self, event_log: &dyn EventLog, session: &SessionId) -> Result<(), ReadError> {
        for event in read_all(event_log, session, self.state.tail).await? {
            self.apply(&event);
        }
        Ok(())
    }
}
