//! The messages of the next call to the model.

use crate::ports::{BlobError, read_all};
use crate::transcript::{TranscriptError, Transcripts};
use crate::{ErrorCode, RawJson, Seq, StepError, TurnStarted};

use super::{SessionLog, SessionLogError};

/// Why the messages of a call cannot be made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MessagesError {
    #[error(transparent)]
    Transcript(#[from] TranscriptError),
    #[error(transparent)]
    Text(#[from] BlobError),
    #[error(transparent)]
    Log(#[from] SessionLogError),
}

impl From<MessagesError> for StepError {
    fn from(error: MessagesError) -> Self {
        match error {
            MessagesError::Transcript(error) => Self::terminal(ErrorCode::Internal, error.to_string()),
            MessagesError::Text(error) => error.into(),
            MessagesError::Log(error) => error.into(),
        }
    }
}

impl SessionLog {
    /// The messages of the call whose `turn.started` is about to be written.
    pub async fn messages_of_next(&mut self, started: &TurnStarted) -> Result<Vec<RawJson>, MessagesError> {
        match self.try_messages(started).await {
            // The parts of a snapshot are gone or damaged. The log has everything.
            Err(error) if !self.folded.transcripts.of(started.call.conversation).is_loaded() => {
                tracing::debug!(session_id = %self.session, %error, "the log is read from its beginning");
                let mut transcripts = Transcripts::default();
                let events = read_all(self.logs.event_log.as_ref(), &self.session, Seq(0)).await;
                let events = events.map_err(SessionLogError::from)?;
                // What others appended meanwhile is left for the append to notice, which then checks the fence.
                let known = events.iter().take_while(|event| event.seq <= self.folded.state.tail);
                known.for_each(|event| transcripts.apply(event));
                self.folded.transcripts = transcripts;
                self.folded.snapshot = Seq(0);
                self.try_messages(started).await
            }
            result => result,
        }
    }

    async fn try_messages(&mut self, started: &TurnStarted) -> Result<Vec<RawJson>, MessagesError> {
        let transcript = self.folded.transcripts.of_mut(started.call.conversation);
        let blobs = self.logs.snapshots.blobs.as_ref();
        let texts = self.logs.texts.fetch(blobs, &self.session, transcript.needed_texts()).await?;
        Ok(transcript.messages_of_next(&texts, started)?)
    }
}
