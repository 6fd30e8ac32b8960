//! The port to where the code is hosted.

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::{Changeset, CommitId, Dependency, StepError, Terminal, Unavailable, WorkspacePath};

/// A repository that can be worked on, as found before any money is spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Repository {
    /// The forge's own name of it (`owner/name`); the key for all further calls.
    pub name: String,
    /// The branch to start from.
    pub base_branch: String,
    /// Its head; none when the repository is empty.
    pub base_commit: Option<CommitId>,
}

/// From where a sandbox clones.
#[derive(Debug, Clone)]
pub enum CloneSource {
    /// From a bare repository of ours, shown to the sandbox read-only.
    Directory(PathBuf),
    /// From an address, with a short-lived credential that can only read.
    Address {
        /// The address, without credentials.
        url: String,
        /// Sent as an HTTP header during the clone only.
        authorization: Option<SecretString>,
    },
}

/// A commit to be put on a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The branch.
    pub branch: String,
    /// The commit it follows; none in an empty repository.
    pub parent: Option<CommitId>,
    /// What the branch points at now as far as we know: our own earlier commit, or none when it is new.
    pub expected_head: Option<CommitId>,
    /// The change against `parent`.
    pub changes: Changeset,
    /// The commit's message.
    pub message: String,
    /// The commit's author and committer.
    pub author: CommitAuthor,
    /// The commit's date. Fixed, so that a second attempt makes the same commit.
    pub date: Timestamp,
}

/// Who a commit is by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitAuthor {
    /// Name.
    pub name: String,
    /// Mail address.
    pub email: String,
}

/// How far a publication has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// The branch holds the commit.
    Done {
        /// The commit.
        commit: CommitId,
        /// Where people look at the branch.
        url: String,
    },
    /// A portion is done; the same call again does the next.
    More,
}

/// A pull request to be opened or brought up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequestText {
    /// The branch with the change.
    pub head: String,
    /// The branch it is for.
    pub base: String,
    /// Title.
    pub title: String,
    /// Body, in Markdown.
    pub body: String,
    /// Whether it is a draft.
    pub readiness: Readiness,
}

/// Whether a pull request can be merged as far as its author is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Readiness {
    /// It can.
    Ready,
    /// It is a draft.
    Draft,
}

/// A pull request that exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PullRequest {
    /// Its number.
    pub number: u64,
    /// Where people look at it.
    pub url: String,
}

/// Why the forge did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ForgeError {
    /// It asks to be left alone for a while.
    #[error("the forge asks for a pause of {seconds} s")]
    Wait {
        /// How long.
        seconds: u64,
    },
    /// The branch is not where it was expected: somebody else moved it.
    #[error("branch {branch} was moved by somebody else")]
    BranchMoved {
        /// The branch.
        branch: String,
        /// Where it is now.
        head: Option<CommitId>,
    },
    /// It cannot be reached, or failed.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// It will not do it.
    #[error(transparent)]
    Terminal(#[from] Terminal),
}

impl From<ForgeError> for StepError {
    fn from(error: ForgeError) -> Self {
        match error {
            ForgeError::Wait { seconds } => {
                Self::Retryable(Unavailable::new(Dependency::Forge, format!("it asks for a pause of {seconds} s")))
            }
            ForgeError::BranchMoved { branch, .. } => Self::Terminal(Terminal::new(
                crate::ErrorCode::PublishConflict,
                format!("branch {branch} was moved by somebody else"),
            )),
            ForgeError::Unavailable(unavailable) => Self::Retryable(unavailable),
            ForgeError::Terminal(terminal) => Self::Terminal(terminal),
        }
    }
}

/// Where the code is hosted.
///
/// Contract: reads see what earlier writes of ours made. `publish` is compare-and-set on the branch and makes the same
/// commit when called again; it never forces. A pull request is looked up by its head branch before it is opened.
#[async_trait]
pub trait Forge: Send + Sync {
    /// Looks at the repository and at what we may do there, before money is spent: it exists, the base branch exists, it
    /// can be read and written.
    async fn preflight(&self, repo_url: &str, base_branch: Option<&str>) -> Result<Repository, ForgeError>;

    /// From where to clone, for one clone from now.
    async fn clone_source(&self, repository: &Repository) -> Result<CloneSource, ForgeError>;

    /// The head of a branch, if it exists.
    async fn branch_head(&self, repository: &str, branch: &str) -> Result<Option<CommitId>, ForgeError>;

    /// The paths that differ between two commits.
    async fn changed_paths(
        &self,
        repository: &str,
        from: &CommitId,
        to: &CommitId,
    ) -> Result<Vec<WorkspacePath>, ForgeError>;

    /// The contents that some files have in a commit; files that are not there are left out.
    async fn contents(
        &self,
        repository: &str,
        commit: &CommitId,
        paths: &[WorkspacePath],
    ) -> Result<BTreeMap<WorkspacePath, Vec<u8>>, ForgeError>;

    /// Puts a commit on a branch, a portion at a time.
    async fn publish(&self, repository: &str, publication: &Publication) -> Result<Published, ForgeError>;

    /// The open pull request whose head is `branch`, if there is one.
    async fn find_pull_request(&self, repository: &str, branch: &str) -> Result<Option<PullRequest>, ForgeError>;

    /// Opens a pull request.
    async fn open_pull_request(&self, repository: &str, text: &PullRequestText) -> Result<PullRequest, ForgeError>;

    /// Brings title, body and readiness of a pull request up to date.
    async fn update_pull_request(
        &self,
        repository: &str,
        pull_request: &PullRequest,
        text: &PullRequestText,
    ) -> Result<(), ForgeError>;
}
