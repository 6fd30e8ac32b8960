//! The change leaves the sandbox.

use serde::{Deserialize, Serialize};

use crate::{BlobRef, CommitId};

/// The change was taken out of the sandbox and checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangesetCollected {
    /// Where it is kept.
    pub blob: BlobRef,
    /// How many files it has.
    pub files: u32,
    /// Lines added.
    pub additions: u64,
    /// Lines deleted.
    pub deletions: u64,
    /// Files left out, with the reason of each.
    #[serde(default)]
    pub skipped: Vec<String>,
}

/// An entry of the audit trail: something was done with git.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GitOperation {
    /// What.
    pub operation: GitAction,
    /// On which repository.
    pub repository: String,
    /// On which branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The commit that was read or written; none in an empty repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    /// More, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What was done with git.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GitAction {
    /// A commit was checked out into a sandbox: the base of the run from here on.
    Clone,
    /// The base branch moved in a way that conflicts with the change; `commit` is its new head.
    BaseMoved,
    /// A commit was written.
    Commit,
    /// A branch was made or moved.
    UpdateBranch,
}

/// The commit, branch and pull request are about to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishStarted {
    /// The branch.
    pub branch: String,
    /// The message of the commit.
    pub message: String,
    /// The commit it will follow; none in an empty repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<CommitId>,
}

/// The branch holds the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BranchPublished {
    /// The branch.
    pub branch: String,
    /// Its head.
    pub commit: CommitId,
    /// Where to look at it.
    pub url: String,
}

/// The pull request is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrOpened {
    /// Its number.
    pub number: u64,
    /// Its address.
    pub pr_url: String,
    /// Its title.
    pub title: String,
    /// Whether it is a draft, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<String>,
}

/// The pull request of an earlier run has the new change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrUpdated {
    /// Its number.
    pub number: u64,
    /// Its address.
    pub pr_url: String,
}

/// A figure about the run, and where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScoreRecorded {
    /// What is measured.
    pub name: String,
    /// The figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The figure in a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Who says so.
    pub source: ScoreSource,
    /// What it rests on.
    pub explanation: String,
}

/// Who says what a score says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreSource {
    /// The model about itself: not calibrated.
    Model,
    /// Computed.
    Code,
    /// A person.
    Human,
}
