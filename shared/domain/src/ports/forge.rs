//! The port to the forge: where the code is hosted.

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::{Changeset, CommitId, Terminal, Unavailable, WorkspacePath};

/// A repository that a session may work on, as [`Forge::preflight`] found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Repository {
    /// The forge's name of the repository (`owner/name`), which all further calls take.
    pub name: String,
    /// The branch to start from.
    pub base_branch: String,
    /// The head of `base_branch`; none when the repository is empty.
    pub base_commit: Option<CommitId>,
}

/// Where a sandbox clones from.
#[derive(Debug, Clone)]
pub enum CloneSource {
    /// A bare repository on this machine, which the sandbox sees read-only.
    Directory(PathBuf),
    Address {
        /// Without credentials.
        url: String,
        /// A short-lived, read-only credential, sent as an HTTP header during the clone only: before any code of the repository
        /// has run in the sandbox.
        authorization: Option<SecretString>,
    },
}

/// A commit that is to be written to a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    pub branch: String,
    /// None in an empty repository.
    pub parent: Option<CommitId>,
    /// Where the branch is expected to be: at our own earlier commit, or none when it does not exist yet. Anything else means
    /// that somebody else moved it.
    pub expected_head: Option<CommitId>,
    /// Relative to `parent`.
    pub changes: Changeset,
    pub message: String,
    /// Author and committer.
    pub author: CommitAuthor,
    /// Date of the commit. The caller fixes it, so that a second attempt writes the same commit.
    pub date: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitAuthor {
    pub name: String,
    pub email: String,
}

/// The progress of a publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// The branch points at the commit.
    Done {
        commit: CommitId,
        /// Page of the branch, for people.
        url: String,
    },
    /// A portion is done; calling again with the same publication does the next one.
    More,
}

/// The text of a pull request that is to be opened or updated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequestText {
    /// The branch with the change.
    pub head: String,
    /// The branch that it is to be merged into.
    pub base: String,
    pub title: String,
    /// Markdown.
    pub body: String,
    pub readiness: Readiness,
}

/// Whether a pull request is ready for review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Readiness {
    Ready,
    Draft,
}

/// A pull request that exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PullRequest {
    pub number: u64,
    /// Page of the pull request, for people.
    pub url: String,
}

/// Why a call to the forge failed.
///
/// There is no conversion to [`StepError`](crate::StepError): a pause is the verdict `wait` and no error, so every caller has to
/// decide what follows from it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ForgeError {
    /// The forge asks for a pause (rate limit).
    #[error("the forge asks for a pause of {seconds} s")]
    Wait { seconds: u64 },
    /// The branch is not where it was expected: somebody else moved it.
    #[error("branch {branch} was moved by somebody else")]
    BranchMoved {
        branch: String,
        /// Where it is now.
        head: Option<CommitId>,
    },
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The forge refuses, and would refuse again.
    #[error(transparent)]
    Terminal(#[from] Terminal),
}

/// The forge: where the code is hosted.
///
/// # Contract
/// - **Callers may rely on** reads seeing every earlier write of ours.
/// - **An implementation must** move a branch in `publish` only from its expected head (compare-and-set), never force it, and
///   write the same commit when called again with the same publication.
/// - **After a crash** during `publish` the branch is where it was or at the commit; the same call again finds out and
///   continues. A pull request has no key of ours, so callers look it up by its head branch before they open one.
#[async_trait]
pub trait Forge: Send + Sync {
    /// Checks that the repository and the base branch exist, and that we may read and write there. Called before any money is
    /// spent, so that a run does not fail at the end for a reason that was known at the start.
    async fn preflight(&self, repo_url: &str, base_branch: Option<&str>) -> Result<Repository, ForgeError>;

    /// Where to clone from. Valid for one clone that starts now: the credential is short-lived.
    async fn clone_source(&self, repository: &Repository) -> Result<CloneSource, ForgeError>;

    /// The head of a branch; none when the branch does not exist.
    async fn branch_head(&self, repository: &str, branch: &str) -> Result<Option<CommitId>, ForgeError>;

    /// The paths that differ between two commits.
    async fn changed_paths(
        &self,
        repository: &str,
        from: &CommitId,
        to: &CommitId,
    ) -> Result<Vec<WorkspacePath>, ForgeError>;

    /// The contents of files in a commit. Files that do not exist there are left out.
    async fn contents(
        &self,
        repository: &str,
        commit: &CommitId,
        paths: &[WorkspacePath],
    ) -> Result<BTreeMap<WorkspacePath, Vec<u8>>, ForgeError>;

    /// Writes a commit to a branch, one portion per call.
    async fn publish(&self, repository: &str, publication: &Publication) -> Result<Published, ForgeError>;

    /// The open pull request whose head is `branch`.
    async fn find_pull_request(&self, repository: &str, branch: &str) -> Result<Option<PullRequest>, ForgeError>;

    async fn open_pull_request(&self, repository: &str, text: &PullRequestText) -> Result<PullRequest, ForgeError>;

    /// Updates title, body and readiness of a pull request.
    async fn update_pull_request(
        &self,
        repository: &str,
        pull_request: &PullRequest,
        text: &PullRequestText,
    ) -> Result<(), ForgeError>;
}
