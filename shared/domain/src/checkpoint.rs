//! The difference between workspace and base commit, stored outside the sandbox: a sandbox can die at any moment.
//!
//! A checkpoint is a small manifest, and each content that it names is a blob of its own. A file that did not change since the
//! last checkpoint is not stored again, and a content that a later checkpoint no longer names is deleted.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};

use crate::ports::Blobs;
use crate::{
    BlobRef, Changeset, ChangesetLimits, CommitId, Digest256, ErrorCode, FileChange, FileMode, SessionId, StepError,
    Terminal,
};

/// Maximum contents that are stored or fetched at the same time.
const MAX_CONCURRENT: usize = 8;

/// A stored checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    pub blob: BlobRef,
    pub content: CheckpointContent,
}

/// The manifest, as it is stored in `Blobs`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointContent {
    /// The base commit; none in an empty repository.
    pub base: Option<CommitId>,
    /// The toolbox's digest of the difference. Used to tell whether anything changed, not as a proof of the content.
    pub digest: Digest256,
    pub changes: Vec<CheckpointChange>,
    /// Files that were left out, each with the reason: work that is not published.
    pub skipped: Vec<String>,
    /// What commands left behind and nobody wrote by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leftovers: Vec<String>,
    /// What the session's checkpoints occupy up to this one, in bytes, without this manifest.
    #[serde(default)]
    pub stored_bytes: u64,
    /// The blobs that only the checkpoint before this one names. They are deleted once this one stands in the log, when the next
    /// one is taken: every later checkpoint follows from this one, so nothing will name them again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub superseded: Vec<BlobRef>,
}

/// One file of a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointChange {
    pub path: String,
    /// None when the file was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<CheckpointFile>,
}

/// Mode and content of a file in a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckpointFile {
    pub mode: FileMode,
    #[serde(flatten)]
    pub content: FileContent,
}

/// Where the content of a file is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FileContent {
    /// In a blob that holds nothing else and that nothing else names, see [`FileContent::wrap`].
    Own {
        /// Digest and size of the content.
        file: BlobRef,
        blob: BlobRef,
    },
    /// In a blob that the result of a tool may name too, as checkpoints of the second version have it. It stays as long as the
    /// session.
    Stored { blob: BlobRef },
    /// In the manifest itself, as checkpoints of the first version have it.
    Inline {
        #[serde(rename = "contentBase64")]
        base64: String,
    },
}

impl Checkpoint {
    /// Stores a checkpoint with the blobs that `Blobs` does not have yet.
    ///
    /// # Errors
    /// A terminal error when the difference contains something that must not be published, a retryable one when `blobs` fails.
    pub async fn store(
        blobs: &dyn Blobs,
        session: &SessionId,
        content: CheckpointContent,
        contents: &[Vec<u8>],
    ) -> Result<Self, StepError> {
        // What must not be published is refused before it is stored.
        content.check()?;
        let bytes = serde_json::to_vec(&content)
            .map_err(|error| StepError::terminal(ErrorCode::Internal, error.to_string()))?;
        // A crash in between leaves contents without a manifest, which is harmless: the event that names it comes last.
        let puts: Vec<_> = contents.iter().map(|content| blobs.put(session, content)).collect();
        stream::iter(puts).buffer_unordered(MAX_CONCURRENT).try_for_each(|_| std::future::ready(Ok(()))).await?;
        Ok(Self { blob: blobs.put(session, &bytes).await?, content })
    }

    /// Fetches a stored checkpoint.
    ///
    /// # Errors
    /// A retryable error when `blobs` fails, [`ErrorCode::ContentLost`] when the checkpoint is gone, [`ErrorCode::LogCorrupt`] when the content is not a checkpoint.
    pub async fn fetch(blobs: &dyn Blobs, session: &SessionId, digest: &Digest256) -> Result<Self, StepError> {
        let bytes = blobs.get(session, digest).await?;
        let blob = BlobRef { sha256: digest.clone(), bytes: bytes.len() as u64 };
        let content = serde_json::from_slice(&bytes).map_err(|error| {
            StepError::terminal(ErrorCode::LogCorrupt, format!("a checkpoint cannot be read: {error}"))
        })?;
        Ok(Self { blob, content })
    }

    /// The checkpoint as a change that may be published, with its contents.
    ///
    /// # Errors
    /// A retryable error when `blobs` fails, [`ErrorCode::ChangesetRejected`] as in [`Changeset::check`].
    pub async fn changeset(&self, blobs: &dyn Blobs, session: &SessionId) -> Result<Changeset, StepError> {
        let fetched: Vec<_> = self.content.changes.iter().map(|change| change.fetch(blobs, session)).collect();
        let changes: Vec<_> = stream::iter(fetched).buffered(MAX_CONCURRENT).try_collect().await?;
        Ok(Changeset::check(changes, ChangesetLimits::default())?)
    }
}

impl CheckpointContent {
    /// The contents that are stored as blobs, by their digests.
    pub fn stored(&self) -> impl Iterator<Item = (&Digest256, &FileContent)> {
        self.changes.iter().filter_map(|change| match &change.file.as_ref()?.content {
            content @ (FileContent::Own { file, .. } | FileContent::Stored { blob: file }) => {
                Some((&file.sha256, content))
            }
            FileContent::Inline { .. } => None,
        })
    }

    /// The blobs that nothing but checkpoints names.
    pub fn own_blobs(&self) -> impl Iterator<Item = &BlobRef> {
        self.stored().filter_map(|(_, content)| match content {
            FileContent::Own { blob, .. } => Some(blob),
            FileContent::Stored { .. } | FileContent::Inline { .. } => None,
        })
    }

    /// Checks everything but the contents, which are checked one by one when they leave the sandbox.
    fn check(&self) -> Result<(), Terminal> {
        let limits = ChangesetLimits::default();
        let without_content = self.changes.iter().map(|change| {
            let file = match &change.file {
                None => FileChange::Delete,
                Some(_) => FileChange::Write { mode: FileMode::Regular, content: Vec::new() },
            };
            (change.path.clone(), file)
        });
        Changeset::check(without_content, limits)?;
        let bytes: u64 = self.changes.iter().filter_map(|change| Some(change.file.as_ref()?.content.bytes())).sum();
        if bytes > limits.bytes as u64 {
            let max = limits.bytes;
            let message = format!("the change has {bytes} bytes; at most {max} can be published");
            return Err(Terminal::new(ErrorCode::ChangesetRejected, message));
        }
        Ok(())
    }
}

impl CheckpointChange {
    /// The path with what the change does to it.
    async fn fetch(&self, blobs: &dyn Blobs, session: &SessionId) -> Result<(String, FileChange), StepError> {
        let change = match &self.file {
            None => FileChange::Delete,
            Some(CheckpointFile { mode, content }) => {
                let content = match content {
                    FileContent::Own { blob, .. } => unwrap(blobs.get(session, &blob.sha256).await?)?,
                    FileContent::Stored { blob } => blobs.get(session, &blob.sha256).await?,
                    FileContent::Inline { base64 } => BASE64_STANDARD.decode(base64).map_err(|error| {
                        StepError::terminal(ErrorCode::ChangesetRejected, format!("{}: {error}", self.path))
                    })?,
                };
                FileChange::Write { mode: *mode, content }
            }
        };
        Ok((self.path.clone(), change))
    }
}

impl FileContent {
    /// A content in a blob of its own, and the blob. `id` is a line that is used for one checkpoint only, so that the blob is
    /// unlike every other one, and deleting it takes nothing from anything else.
    pub fn wrap(id: &str, content: &[u8]) -> (Self, Vec<u8>) {
        let wrapped = [id.as_bytes(), b"\n", content].concat();
        let reference = |bytes: &[u8]| BlobRef { sha256: Digest256::of(bytes), bytes: bytes.len() as u64 };
        (Self::Own { file: reference(content), blob: reference(&wrapped) }, wrapped)
    }

    /// The size of the content, in bytes.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Own { file: blob, .. } | Self::Stored { blob } => blob.bytes,
            Self::Inline { base64 } => (base64.len() / 4 * 3) as u64,
        }
    }
}

/// The content in a blob of its own.
fn unwrap(mut wrapped: Vec<u8>) -> Result<Vec<u8>, StepError> {
    let Some(id) = wrapped.iter().position(|byte| *byte == b'\n') else {
        return Err(StepError::terminal(ErrorCode::LogCorrupt, "a content of a checkpoint cannot be read"));
    };
    wrapped.drain(..=id);
    Ok(wrapped)
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::ports::BlobError;
    use crate::{Dependency, Unavailable};

    /// Holds one content.
    struct OneBlob(&'static [u8]);

    #[async_trait]
    impl Blobs for OneBlob {
        async fn put(&self, _: &SessionId, content: &[u8]) -> Result<BlobRef, Unavailable> {
            Ok(BlobRef { sha256: Digest256::of(content), bytes: content.len() as u64 })
        }

        async fn get(&self, _: &SessionId, digest: &Digest256) -> Result<Vec<u8>, BlobError> {
            if Digest256::of(self.0) == *digest { Ok(self.0.to_vec()) } else { Err(BlobError::Gone(digest.clone())) }
        }

        async fn delete(&self, _: &SessionId, _: &Digest256) -> Result<(), Unavailable> {
            Err(Unavailable::new(Dependency::Blobs, "nothing is deleted here"))
        }

        async fn delete_session(&self, _: &SessionId) -> Result<(), Unavailable> {
            Err(Unavailable::new(Dependency::Blobs, "nothing is deleted here"))
        }
    }

    #[tokio::test]
    async fn a_checkpoint_of_the_first_version_is_still_read() {
        let stored = BlobRef { sha256: Digest256::of(b"new"), bytes: 3 };
        let manifest = serde_json::json!({
            "base": null, "digest": Digest256::of(b""), "skipped": [], "additions": 1, "deletions": 0,
            "changes": [
                { "path": "inline", "file": { "mode": "100755", "contentBase64": "b2xk" } },
                { "path": "gone" },
                { "path": "stored", "file": { "mode": "100644", "blob": stored } },
            ],
        });
        let content: CheckpointContent = serde_json::from_value(manifest).unwrap();
        let known = FileContent::Stored { blob: stored.clone() };
        assert_eq!(content.stored().collect::<Vec<_>>(), [(&stored.sha256, &known)]);
        assert_eq!(content.own_blobs().count(), 0, "another payload may share the blob");
        assert_eq!(content.stored_bytes, 0);
        let checkpoint = Checkpoint { blob: stored, content };
        let session: SessionId = "01JD0000000000000000000000".parse().unwrap();
        let changeset = checkpoint.changeset(&OneBlob(b"new"), &session).await.unwrap();
        let changes: Vec<_> = changeset.iter().map(|(path, change)| (path.as_str(), change.clone())).collect();
        let write = |mode, content: &[u8]| FileChange::Write { mode, content: content.to_vec() };
        assert_eq!(
            changes,
            [
                ("gone", FileChange::Delete),
                ("inline", write(FileMode::Executable, b"old")),
                ("stored", write(FileMode::Regular, b"new")),
            ]
        );
    }
}
