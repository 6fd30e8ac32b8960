//! The port to the store of large contents.

use async_trait::async_trait;

use crate::{BlobRef, Dependency, Digest256, INLINE_LIMIT, Payload, SessionId, Unavailable};

/// Contents by their SHA-256, kept per session so that they end with it.
///
/// Contract: `put` is durable when it returns and may be repeated; `get` returns exactly what was put, or says that it is
/// gone; a content whose digest does not fit is reported as unavailable, never returned.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Keeps a content.
    async fn put(&self, session: &SessionId, content: &[u8]) -> Result<BlobRef, Unavailable>;

    /// Fetches a content.
    async fn get(&self, session: &SessionId, digest: &Digest256) -> Result<Vec<u8>, Unavailable>;
}

/// Makes a payload of a text: in the event when it is short, otherwise kept.
pub async fn keep_text(blobs: &dyn Blobs, session: &SessionId, text: String) -> Result<Payload, Unavailable> {
    if text.len() < INLINE_LIMIT {
        return Ok(Payload::Inline(text));
    }
    Ok(Payload::Stored(blobs.put(session, text.as_bytes()).await?))
}

/// The text of a payload.
pub async fn text_of(blobs: &dyn Blobs, session: &SessionId, payload: &Payload) -> Result<String, Unavailable> {
    match payload {
        Payload::Inline(text) => Ok(text.clone()),
        Payload::Stored(blob) => {
            let content = blobs.get(session, &blob.sha256).await?;
            String::from_utf8(content).map_err(|error| Unavailable::new(Dependency::Blobs, error))
        }
    }
}
