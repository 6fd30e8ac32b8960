//! The stored form of a batch, which is the same in every implementation.

use crate::ports::{BlobError, Blobs};
use crate::{BlobRef, Dependency, Event, Seq, SessionId, Unavailable};

use super::{AppendError, CorruptLog, ReadError};

/// Size in bytes up to which a batch is stored in the log itself. Larger ones are stored in `Blobs`. An item of DynamoDB has at
/// most 400 KB, names and keys included.
pub const MAX_INLINE_BATCH_BYTES: usize = 300_000;

/// The stored form of a batch: its events as a JSON array, or a reference to that array in `Blobs` as a JSON object. The blob is
/// written first: a crash before the batch is appended leaves a blob that nothing refers to, which is harmless.
///
/// # Errors
/// [`AppendError::Conflict`] when the events are not numbered from `after + 1` on.
pub async fn store_batch(
    blobs: &dyn Blobs,
    session: &SessionId,
    after: Seq,
    batch: &[Event],
) -> Result<String, AppendError> {
    if !batch.iter().zip(after.0 + 1..).all(|(event, seq)| event.seq.0 == seq) {
        return Err(AppendError::Conflict);
    }
    let events = serde_json::to_string(batch).map_err(|error| Unavailable::new(Dependency::EventLog, error))?;
    if events.len() <= MAX_INLINE_BATCH_BYTES {
        return Ok(events);
    }
    let blob = blobs.put(session, events.as_bytes()).await?;
    Ok(serde_json::to_string(&blob).map_err(|error| Unavailable::new(Dependency::EventLog, error))?)
}

/// The events of a batch in its stored form.
pub async fn load_batch(blobs: &dyn Blobs, session: &SessionId, stored: &str) -> Result<Vec<Event>, ReadError> {
    let corrupt = |reason: String| ReadError::from(CorruptLog { session: session.clone(), reason });
    if stored.starts_with('[') {
        return serde_json::from_str(stored).map_err(|error| corrupt(error.to_string()));
    }
    let blob: BlobRef = serde_json::from_str(stored).map_err(|error| corrupt(error.to_string()))?;
    match blobs.get(session, &blob.sha256).await {
        Ok(events) => serde_json::from_slice(&events).map_err(|error| corrupt(error.to_string())),
        Err(gone @ BlobError::Gone(_)) => Err(corrupt(gone.to_string())),
        Err(BlobError::Unavailable(unavailable)) => Err(unavailable.into()),
    }
}
