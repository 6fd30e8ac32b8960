//! The difference between workspace and base commit, stored outside the sandbox: a sandbox can die at any moment.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use crate::ports::Blobs;
use crate::{
    BlobRef, Changeset, ChangesetLimits, CommitId, Digest256, ErrorCode, FileChange, FileMode, SessionId, StepError,
    Terminal,
};

/// A stored checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    pub blob: BlobRef,
    pub content: CheckpointContent,
}

/// The content of a checkpoint, as it is stored in `Blobs`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointContent {
    /// The base commit; none in an empty repository.
    pub base: Option<CommitId>,
    /// The toolbox's digest of the difference. Used to tell whether anything changed, not as a proof of the content.
    pub digest: Digest256,
    pub changes: Vec<CheckpointChange>,
    /// Files that were left out, each with the reason.
    pub skipped: Vec<String>,
    /// Lines.
    pub additions: u64,
    /// Lines.
    pub deletions: u64,
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
#[serde(rename_all = "camelCase")]
pub struct CheckpointFile {
    pub mode: FileMode,
    pub content_base64: String,
}

impl Checkpoint {
    /// Stores the difference that a toolbox reported.
    ///
    /// # Errors
    /// A terminal error when the difference contains something that must not be published, a retryable one when `blobs` fails.
    pub async fn store(blobs: &dyn Blobs, session: &SessionId, content: CheckpointContent) -> Result<Self, StepError> {
        // What must not be published is refused before it is stored.
        content.changeset()?;
        let bytes = serde_json::to_vec(&content)
            .map_err(|error| StepError::terminal(ErrorCode::Internal, error.to_string()))?;
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

    /// See [`CheckpointContent::changeset`].
    pub fn changeset(&self) -> Result<Changeset, Terminal> {
        self.content.changeset()
    }
}

impl CheckpointContent {
    /// The checkpoint as a change that may be published.
    ///
    /// # Errors
    /// [`ErrorCode::ChangesetRejected`], as in [`Changeset::check`], or when a content is not base64.
    pub fn changeset(&self) -> Result<Changeset, Terminal> {
        let mut changes = Vec::with_capacity(self.changes.len());
        for change in &self.changes {
            let checked = match &change.file {
                None => FileChange::Delete,
                Some(file) => {
                    let content = BASE64_STANDARD.decode(&file.content_base64).map_err(|error| {
                        Terminal::new(ErrorCode::ChangesetRejected, format!("{}: {error}", change.path))
                    })?;
                    FileChange::Write { mode: file.mode, content }
                }
            };
            changes.push((change.path.clone(), checked));
        }
        Changeset::check(changes, ChangesetLimits::default())
    }
}
