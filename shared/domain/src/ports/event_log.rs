//! The port to the event log.

use std::time::Duration;

use async_trait::async_trait;

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

/// The event logs of all sessions.
///
/// # Contract
/// - **Callers may rely on** a batch being durable once `append` has returned, on every `read` that starts later seeing it, and
///   on events never changing. `wait` may return early, so its callers read in a loop.
/// - **An implementation must** append the whole batch or nothing, and only if the log ends at `after`: one conditional write,
///   keyed by the number of the batch's first event. By induction the log has no gap and no number twice. The events of a batch
///   are numbered `after + 1`, `after + 2`, …; any other numbers are [`AppendError::Conflict`].
/// - **After a crash** during `append` the batch is in the log completely or not at all, and the next reader finds out which.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Appends a batch to the log that ends at `after`.
    async fn append(&self, session: &SessionId, after: Seq, batch: &[Event]) -> Result<(), AppendError>;

    /// The events after `after`, oldest first; at most `limit`, rounded up to whole batches.
    async fn read(&self, session: &SessionId, after: Seq, limit: usize) -> Result<Vec<Event>, Unavailable>;

    /// Returns when the log may have grown beyond `after`, at the latest after `timeout`.
    async fn wait(&self, session: &SessionId, after: Seq, timeout: Duration) -> Result<(), Unavailable>;
}

/// Events per read of [`read_all`].
const PAGE: usize = 1000;

/// All events after `after`, in order.
pub async fn read_all(event_log: &dyn EventLog, session: &SessionId, after: Seq) -> Result<Vec<Event>, Unavailable> {
    let mut events: Vec<Event> = Vec::new();
    loop {
        let from = events.last().map_or(after, |event| event.seq);
        let page = event_log.read(session, from, PAGE).await?;
        let last = page.len() < PAGE;
        events.extend(page);
        if last {
            return Ok(events);
        }
    }
}
