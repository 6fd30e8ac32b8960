//! The port to the store of blobs: contents that are too large for the log.

use async_trait::async_trait;

use crate::{BlobRef, Digest256, ErrorCode, INLINE_LIMIT, Payload, SessionId, StepError, Unavailable};

/// Why a blob was not read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BlobError {
    /// The content was deleted, lost or damaged. Reading it again will not help.
    #[error("the stored content {} is gone", .0.as_str())]
    Gone(Digest256),
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<BlobError> for StepError {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Gone(_) => Self::terminal(ErrorCode::ContentLost, error.to_string()),
            BlobError::Unavailable(unavailable) => Self::Retryable(unavailable),
        }
    }
}

/// Contents by their SHA-256. Stored per session, so that deleting a session deletes them.
///
/// # Contract
/// - **Callers may rely on** a blob being durable once `put` has returned, and on `get` returning exactly what was put.
/// - **An implementation must** verify the digest in `get`, and report a content that is missing, or whose digest does not
///   match, as [`BlobError::Gone`]; it logs the second. `put` of the same content again succeeds, and replaces a damaged one.
/// - **After a crash** between `put` and the append of the event that refers to the blob, the blob is left without a reference.
///   That is harmless; the other order would lose an acknowledged content. After a crash during `delete_session` some blobs are
///   left, until it is called again.
#[async_trait]
pub trait Blobs: Send + Sync {
    async fn put(&self, session: &SessionId, content: &[u8]) -> Result<BlobRef, Unavailable>;

    async fn get(&self, session: &SessionId, digest: &Digest256) -> Result<Vec<u8>, BlobError>;

    /// Deletes a blob that nothing refers to, now or later. May be repeated.
    async fn delete(&self, session: &SessionId, digest: &Digest256) -> Result<(), Unavailable>;

    /// Deletes every blob of a session. May be repeated.
    async fn delete_session(&self, session: &SessionId) -> Result<(), Unavailable>;
}

/// The payload for a text, which is stored as a blob when it has [`INLINE_LIMIT`] bytes or more.
pub async fn store_text(blobs: &dyn Blobs, session: &SessionId, text: String) -> Result<Payload, Unavailable> {
    if text.len() < INLINE_LIMIT {
        return Ok(Payload::Inline(text));
    }
    Ok(Payload::Stored(blobs.put(session, text.as_bytes()).await?))
}

/// The text of a payload, fetched when it is stored as a blob.
pub async fn load_text(blobs: &dyn Blobs, session: &SessionId, payload: &Payload) -> Result<String, BlobError> {
    match payload {
        Payload::Inline(text) => Ok(text.clone()),
        Payload::Stored(blob) => {
            let content = blobs.get(session, &blob.sha256).await?;
            // Only texts are stored as payloads, so another content is as good as none.
            String::from_utf8(content).map_err(|_| BlobError::Gone(blob.sha256.clone()))
        }
    }
}
