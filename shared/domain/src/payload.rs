//! Texts of events, which may be too long to be stored in the event.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Size in bytes from which on a text is stored in `Blobs` and the event contains its digest instead.
pub const INLINE_LIMIT: usize = 64 * 1024;

/// The SHA-256 of some bytes, as 64 lower-case hex digits: the key of a blob.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest256(String);

/// A text that is not a [`Digest256`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256 digest: 64 lower-case hex digits are expected")]
pub struct InvalidDigest;

impl Digest256 {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        use std::fmt::Write as _;
        let mut text = String::with_capacity(64);
        for byte in Sha256::digest(bytes) {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Digest256 {
    type Error = InvalidDigest;

    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 64 && text.bytes().all(hex) { Ok(Self(text)) } else { Err(InvalidDigest) }
    }
}

impl From<Digest256> for String {
    fn from(digest: Digest256) -> String {
        digest.0
    }
}

/// A reference to a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRef {
    /// Key and checksum of the content.
    pub sha256: Digest256,
    /// Length of the content.
    pub bytes: u64,
}

/// A text of an event, or a reference to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Payload {
    /// Shorter than [`INLINE_LIMIT`].
    Inline(String),
    /// Stored in `Blobs`.
    Stored(BlobRef),
}

impl Payload {
    /// The text, when it is in the event itself.
    pub fn inline(&self) -> Option<&str> {
        match self {
            Self::Inline(text) => Some(text),
            Self::Stored(_) => None,
        }
    }

    /// Where the text is, when it is stored outside the event.
    pub fn stored(&self) -> Option<&BlobRef> {
        match self {
            Self::Inline(_) => None,
            Self::Stored(blob) => Some(blob),
        }
    }
}

impl From<&str> for Payload {
    fn from(text: &str) -> Self {
        Self::Inline(text.to_owned())
    }
}
