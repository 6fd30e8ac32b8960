//! The port to the store of blobs: contents that are too large for the log.

use async_trait::async_trait;

use crate::{BlobRef, Dependency, Digest256, INLINE_LIMIT, Payload, SessionId, Unavailable};

/// Contents by their SHA-256. Stored per session, so that deleting a session deletes them.
///
/// # Contract
/// - **Callers may rely on** a blob being durable once `put` has returned, and on `get` returning exactly what was put.
/// - **An implementation must** verify the digest in `get`, and report a content that is missing or does not match as
///   [`Unavailable`], never return it. `put` of the same content again succeeds and changes nothing.
/// - **After a crash** between `put` and the append of the event that refers to the blob, the blob is left without a reference.
///   That is harmless; the other order would lose an acknowledged content.
#[async_trait]
pub trait Blobs: Send + Sync {
    async fn put(&self, session: &SessionId, content: &[u8]) -> Result<BlobRef, Unavailable>;

    async fn get(&self, session: &SessionId, digest: &Digest256) -> Result<Vec<u8>, Unavailable>;

    /// Deletes a blob that nothing refers to, now or later. May be repeated.
    async fn delete(&self, session: &SessionId, digest: &Digest256) -> Result<(), Unavailable>;
}

/// The payload for a text, which is stored as a blob when it has [`INLINE_LIMIT`] bytes or more.
pub async fn store_text(blobs: &dyn Blobs, session: &SessionId, text: String) -> Result<Payload, Unavailable> {
    if text.len() < INLINE_LIMIT {
        return Ok(Payload::Inline(text));
    }
    Ok(Payload::Stored(blobs.put(session, text.as_bytes()).await?))
}

/// The text of a payload, fetched when it is stored as a blob.
pub async fn load_text(blobs: &dyn Blobs, session: &SessionId, payload: &Payload) -> Result<String, Unavailable> {
    match payload {
        Payload::Inline(text) => Ok(text.clone()),
        Payload::Stored(blob) => {
            let content = blobs.get(session, &blob.sha256).await?;
            String::from_utf8(content).map_err(|error| Unavailable::new(Dependency::Blobs, error))
        }
    }
}
