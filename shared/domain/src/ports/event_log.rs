//! The port to the event log.

use std::time::Duration;

use async_trait::async_trait;

use crate::{Event, Seq, SessionId, Unavailable};

/// Why a batch was not appended.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// The log does not end at `after`: somebody else appended. Nothing was written.
    #[error("the log has grown since it was read")]
    Conflict,
    /// The log cannot be reached. Whether the batch was written is not known; reading the tail tells.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The event logs of all sessions.
///
/// Contract:
/// - `append` writes the whole batch or nothing, durably, and only if the log ends at `after`: one conditional write,
///   keyed by the number of the batch's first event. By induction the log has no gap and no event twice.
/// - The events of a batch are numbered `after + 1`, `after + 2`, …; anything else is [`AppendError::Conflict`].
/// - `read` returns what was appended, in order, and sees every batch whose append has returned.
/// - `wait` may return early; it never reports growth as an error.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Appends a batch to the log that ends at `after`.
    async fn append(&self, session: &SessionId, after: Seq, batch: &[Event]) -> Result<(), AppendError>;

    /// The events after `after`, oldest first; at most `limit`, rounded up to whole batches.
    async fn read(&self, session: &SessionId, after: Seq, limit: usize) -> Result<Vec<Event>, Unavailable>;

    /// Returns when the log may have grown beyond `after`, or after `at_most`.
    async fn wait(&self, session: &SessionId, after: Seq, at_most: Duration) -> Result<(), Unavailable>;
}
