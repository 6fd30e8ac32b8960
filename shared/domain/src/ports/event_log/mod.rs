//! The port to the event log.

mod batch;
mod page;

use std::time::Duration;

use async_trait::async_trait;

pub use batch::{MAX_INLINE_BATCH_BYTES, load_batch, store_batch};
pub use page::{Page, read_all};

use crate::{Event, Seq, SessionId, Unavailable};

/// Why a batch was not appended.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// The log does not end at `after`, because somebody else appended. Nothing was written.
    #[error("the log has grown since it was read")]
    Conflict,
    /// The log cannot be reached. Whether the batch was written is unknown; reading the tail tells.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A batch of a log is damaged, or its content is gone. Reading it again will not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the log of session {session} cannot be read: {reason}")]
pub struct CorruptLog {
    pub session: SessionId,
    pub reason: String,
}

/// Why a log was not read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Corrupt(#[from] CorruptLog),
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The event logs of all sessions.
///
/// # Contract
/// - **Callers may rely on** a batch being durable once `append` has returned, on every `read` that starts later seeing it, and
///   on events never changing. A batch that is appended again, exactly as it stands in the log, succeeds and changes nothing, so
///   a write whose answer was lost can be sent again.
/// - **Callers must** pass as `after` the last event of a batch that they have read, or 0, and number the events of the batch
///   `after + 1`, `after + 2`, … Another `after` is a defect of the caller, which an implementation need not notice.
/// - **An implementation must** append the whole batch or nothing, and only if no batch begins at `after + 1`: one conditional
///   write, keyed by that number. Because the caller has read the batch that ends at `after`, the log has no gap and no number
///   twice, by induction. When the condition fails it compares the batch that stands there: an equal one is an earlier attempt
///   of this write, any other is [`AppendError::Conflict`]. (No two writers send equal batches: a step's events name the span of
///   its invocation, a command's the time and, if it has one, its key.) It stores what [`store_batch`] returns and reads it with
///   [`load_batch`], so a stored batch never exceeds [`MAX_INLINE_BATCH_BYTES`].
/// - **After a crash** during `append` the batch is in the log completely or not at all, and the next reader finds out which.
///   After a crash during `delete` a part of the log is left, until `delete` is called again.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Appends a batch to the log that ends at `after`.
    async fn append(&self, session: &SessionId, after: Seq, batch: &[Event]) -> Result<(), AppendError>;

    /// The events after `after`, oldest first, up to the end of a batch: about `limit` of them, or fewer when that is a lot of
    /// data. Only [`Page::next`] tells whether there are more. `after` may be any number.
    async fn read(&self, session: &SessionId, after: Seq, limit: usize) -> Result<Page, ReadError>;

    /// Returns when the log has grown beyond `after`, at the latest after `timeout`. Says whether it has grown; false may be
    /// a moment out of date.
    async fn wait(&self, session: &SessionId, after: Seq, timeout: Duration) -> Result<bool, Unavailable>;

    /// Deletes the log of a session. May be repeated. The contents in `Blobs` are deleted with the session's other blobs.
    async fn delete(&self, session: &SessionId) -> Result<(), Unavailable>;
}
