//! Publication of the change: commit, branch, pull request.

use serde::{Deserialize, Serialize};

use crate::{BlobRef, CommitId};

/// The change was collected and passed the checks of [`Changeset`](crate::Changeset).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangesetCollected {
    /// The checkpoint with the change.
    pub blob: BlobRef,
    /// Files that differ from the base commit.
    pub files: u32,
    /// Lines.
    pub additions: u64,
    pub deletions: u64,
    /// Files that were left out, each with the reason.
    #[serde(default)]
    pub skipped: Vec<String>,
    /// What commands left behind and nobody wrote by name, such as dependency folders: no part of the change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leftovers: Vec<String>,
}

/// A git operation, for the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GitOperation {
    pub operation: GitAction,
    /// The forge's name of the repository (`owner/name`).
    pub repository: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The commit that was read or written; none in an empty repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    /// More about it, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What was done with git.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GitAction {
    /// A commit was checked out into a sandbox; it is the run's base from here on.
    Clone,
    /// The base branch moved in a way that conflicts with the change; `commit` is its new head.
    BaseMoved,
    /// A commit was written.
    Commit,
    /// A branch was created or moved.
    UpdateBranch,
}

/// Commit and branch are about to be written. The intent: a second attempt finds the commit by branch, parent and message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishStarted {
    pub branch: String,
    pub message: String,
    /// The parent of the commit; none in an empty repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<CommitId>,
}

/// The branch points at the commit with the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BranchPublished {
    pub branch: String,
    pub commit: CommitId,
    /// Page of the branch, for people.
    pub url: String,
}

/// A pull request was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrOpened {
    pub number: u64,
    pub pr_url: String,
    pub title: String,
    /// Why it is a draft, in a sentence; none when it is ready for review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<String>,
}

/// The pull request of an earlier run was updated with the new change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrUpdated {
    pub number: u64,
    pub pr_url: String,
}

/// A score of the run, with its source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScoreRecorded {
    /// What is scored, such as `checks_passed`.
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The value in a word, such as `passed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    pub source: ScoreSource,
    /// What the value is derived from, in a sentence.
    pub explanation: String,
}

/// Where a score comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreSource {
    /// The model about itself; not calibrated.
    Model,
    /// Computed from facts such as exit codes.
    Code,
    Human,
}
