//! The difference between workspace and base commit, kept outside the sandbox.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use crate::ports::Blobs;
use crate::{
    BlobRef, Changeset, ChangesetLimits, CommitId, Digest256, ErrorCode, FileChange, FileMode, SessionId, StepError,
    Terminal,
};

/// A checkpoint with the place where it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Where.
    pub blob: BlobRef,
    /// What it holds.
    pub content: CheckpointContent,
}

/// What a checkpoint holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointContent {
    /// The commit it differs from; none in an empty repository.
    pub base: Option<CommitId>,
    /// The toolbox's digest of the difference.
    pub digest: Digest256,
    /// The files.
    pub changes: Vec<KeptChange>,
    /// Files left out, with the reason of each.
    pub skipped: Vec<String>,
    /// Lines added.
    pub additions: u64,
    /// Lines deleted.
    pub deletions: u64,
}

/// One file of a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptChange {
    /// Its path.
    pub path: String,
    /// Mode and content; none when the file is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<KeptFile>,
}

/// Mode and content of a kept file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptFile {
    /// Its kind.
    pub mode: FileMode,
    /// Its content, as base64.
    pub content_base64: String,
}

impl Checkpoint {
    /// Keeps what a toolbox said differs. Refuses what may not be published.
    pub async fn keep(blobs: &dyn Blobs, session: &SessionId, content: CheckpointContent) -> Result<Self, StepError> {
        // What cannot be published is refused before it is kept.
        content.changeset()?;
        let bytes = serde_json::to_vec(&content)
            .map_err(|error| StepError::terminal(ErrorCode::Internal, error.to_string()))?;
        Ok(Self { blob: blobs.put(session, &bytes).await?, content })
    }

    /// Fetches a checkpoint that was kept.
    pub async fn fetch(blobs: &dyn Blobs, session: &SessionId, digest: &Digest256) -> Result<Self, StepError> {
        let bytes = blobs.get(session, digest).await?;
        let blob = BlobRef { sha256: digest.clone(), bytes: bytes.len() as u64 };
        let content = serde_json::from_slice(&bytes).map_err(|error| {
            StepError::terminal(ErrorCode::LogCorrupt, format!("a checkpoint cannot be read: {error}"))
        })?;
        Ok(Self { blob, content })
    }

    /// The change as what may be published.
    pub fn changeset(&self) -> Result<Changeset, Terminal> {
        self.content.changeset()
    }
}

impl CheckpointContent {
    /// The change as what may be published; refuses what may not.
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
