//! The three kinds of errors.
//!
//! - *For the model*: a tool failed; [`ToolFailure`] is what the model reads about it, and the run goes on.
//! - *Retryable*: the workflow tries again. Every failure of a port is that, unless it says otherwise.
//! - *Terminal*: the run ends; an [`ErrorCode`], a sentence, and what to do about it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident => $remedy:literal,)*) => {
        /// Why a run ended in failure, as the log holds it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[$doc])* $name,)*
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// What a user can do about it.
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)* }
            }
        }
    };
}

error_codes! {
    /// The request cannot be carried out as it stands.
    InvalidRequest => "Correct the request and start again.",
    /// No repository answers at the address.
    RepositoryNotFound => "Check the address, and that the token may see the repository.",
    /// The repository exists but may not be read.
    RepositoryForbidden => "Give the token read access to the repository.",
    /// The repository takes no changes.
    RepositoryArchived => "Unarchive the repository, or name another one.",
    /// The base branch does not exist.
    BranchNotFound => "Name a branch that exists, or leave baseBranch out for the default branch.",
    /// The repository could not be cloned.
    CloneFailed => "Look at the clone's output in the session's events; try again when the cause is gone.",
    /// The token may not write branches.
    PushForbidden => "Give the token write access to contents and pull requests.",
    /// The change touches files that the token may not change.
    ProtectedFiles => "Allow workflow changes for the token, or ask for a change that leaves those files alone.",
    /// The model's service refused the request as wrongly formed.
    ModelRefusedRequest => "This is a defect of ours: report it with the session's id.",
    /// The model's service did not accept the key.
    ModelAuthentication => "Set ANTHROPIC_API_KEY to a valid key.",
    /// The model's account cannot pay.
    ModelBilling => "Check the spending limit and the balance of the model's account.",
    /// The model is not offered.
    ModelNotFound => "Name a model that the account may use.",
    /// The model's service did not answer, however often it was asked.
    ModelUnavailable => "Check the network and ANTHROPIC_BASE_URL; send the session a message to have it go on later.",
    /// The model declined to go on.
    ModelRefusal => "Rephrase the request; the model's reason is in the session's events.",
    /// The conversation no longer fits the model.
    ContextExhausted => "Start a new session for what is left, or split the request.",
    /// The budget is spent and nobody extended it.
    BudgetExhausted => "Start again with higher limits.",
    /// No sandbox can be made here.
    SandboxUnavailable => "Run `backspace doctor`: it names what is missing and what to do.",
    /// The change is not one that may leave a sandbox.
    ChangesetRejected => "The session's events name the file and the rule; ask for a change without it.",
    /// The branch was changed by somebody else.
    PublishConflict => "Look at the branch; start a new session on top of it.",
    /// The log of the session cannot be read.
    LogCorrupt => "This is a defect of ours or of the disk: report it with the session's id.",
    /// There is no such session.
    SessionNotFound => "List the sessions to see which exist.",
    /// A newer attempt has taken over; this one did nothing.
    Stale => "Nothing: the newer attempt goes on.",
    /// Something went wrong inside.
    Internal => "Report it with the session's id.",
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A failure that ends the run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{code}: {message}")]
pub struct Terminal {
    /// Which.
    pub code: ErrorCode,
    /// What happened, to what.
    pub message: String,
}

impl Terminal {
    /// A terminal failure.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// An outside system, as its failures name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dependency {
    /// The logs of the sessions.
    EventLog,
    /// The records of the sessions.
    Sessions,
    /// Principals and their tokens.
    Accounts,
    /// Large contents.
    Blobs,
    /// The workflow engine.
    Workflows,
    /// Replies while they are written.
    LiveText,
    /// Where secrets are kept.
    Secrets,
    /// Where the code is hosted.
    Forge,
    /// The provider of sandboxes.
    Sandboxes,
    /// The database of the one-machine world, which stands for several ports at once.
    Store,
}

impl Dependency {
    /// The name in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::EventLog => "the event log",
            Self::Sessions => "the session records",
            Self::Accounts => "the accounts",
            Self::Blobs => "the blob store",
            Self::Workflows => "the workflow engine",
            Self::LiveText => "the live text",
            Self::Secrets => "the secret store",
            Self::Forge => "the forge",
            Self::Sandboxes => "the sandbox provider",
            Self::Store => "the store",
        }
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A failure of an outside system that may be gone next time. Its cause is its [`source`](Error::source);
/// [`error_chain`] tells both in a line.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{dependency} failed")]
pub struct Unavailable {
    /// Which system failed.
    pub dependency: Dependency,
    // Shared, because a failure is written into the log and returned to the workflow.
    #[source]
    cause: Arc<dyn Error + Send + Sync>,
}

impl Unavailable {
    /// A failure of `dependency`, with the error that it gave or a sentence about it.
    pub fn new(dependency: Dependency, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { dependency, cause: Arc::from(cause.into()) }
    }
}

/// An error and its causes in one line, outermost first: `the forge failed: git fetch: could not resolve host`.
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Why a step did not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StepError {
    /// The workflow tries again.
    #[error(transparent)]
    Retryable(#[from] Unavailable),
    /// The run ends.
    #[error(transparent)]
    Terminal(#[from] Terminal),
}

impl StepError {
    /// The type by which the workflow's Retry and Catch know it. Which terminal error it is stands in the log.
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Retryable(_) => "Unavailable",
            Self::Terminal(Terminal { code: ErrorCode::Stale, .. }) => "Stale",
            Self::Terminal(_) => "Terminal",
        }
    }

    /// A terminal failure.
    pub fn terminal(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::Terminal(Terminal::new(code, message))
    }
}

/// What the model reads about a tool that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ToolFailure(pub String);
