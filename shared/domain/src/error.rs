//! The three kinds of errors.
//!
//! - *For the model*: a tool failed. The model reads a [`ToolFailure`] as the call's result, and the run continues.
//! - *Retryable*: [`Unavailable`]. The workflow retries the step. Every failure of a port is of this kind, unless it is
//!   explicitly terminal.
//! - *Terminal*: [`Terminal`]. The run ends with an [`ErrorCode`], a sentence, and what the user can do about it.
//!
//! The kind is in the type; none is derived from a message.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident => $remedy:literal,)*) => {
        /// Why a run failed. The names are stored in logs and shown to users, so none is renamed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[$doc])* $name,)*
        }

        impl ErrorCode {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name in JSON.
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
    /// The request asks for something that cannot be done.
    InvalidRequest => "Correct the request and start again.",
    /// No repository answers at the address.
    RepositoryNotFound => "Check the address, and that the token has access to the repository.",
    /// The repository exists but may not be read.
    RepositoryForbidden => "Give the token read access to the repository.",
    /// The repository is archived and accepts no changes.
    RepositoryArchived => "Unarchive the repository, or name another one.",
    /// The base branch does not exist.
    BranchNotFound => "Name a branch that exists, or leave baseBranch out for the default branch.",
    /// The repository could not be cloned.
    CloneFailed => "Read the clone's output in the session's events, remove the cause, and try again.",
    /// The token may not write branches.
    PushForbidden => "Give the token write access to contents and pull requests.",
    /// The change includes files that the token may not change, such as GitHub workflows.
    ProtectedFiles => "Give the token write access to workflows, or ask for a change without those files.",
    /// The model's service rejected the request.
    ModelRefusedRequest => "Send the session a message to go on in a new conversation. If that is refused too, report it with the session's id.",
    /// A filter of the model's service withheld every reply.
    ModelFiltered => "Send the session a message that says it in other words: the work goes on in a new conversation.",
    /// The model's service did not accept the key.
    ModelAuthentication => "Set ANTHROPIC_API_KEY to a valid key.",
    /// The model's account has no credit left, or has reached its spending limit.
    ModelBilling => "Check the spending limit and the balance of the model's account.",
    /// The model's service does not offer the model to this account.
    ModelNotFound => "Name a model that the account may use.",
    /// The model's service failed on every retry, or something else answers at its address.
    ModelUnavailable => "Check the network and ANTHROPIC_BASE_URL, then send the session a message to resume it.",
    /// The model declined to continue.
    ModelRefusal => "Rephrase the request; the model's reason is in the session's events.",
    /// The model replied without a word and without a tool call, also when it was asked again.
    ModelGaveNoAnswer => "Send the session a message to ask the model again, or start a session with another model.",
    /// The conversation no longer fits the model's context window.
    ContextExhausted => "Send the session a message to go on in a new conversation, or start a new session with a part of the request.",
    /// The budget is used up and nobody extended it.
    BudgetExhausted => "Start again with higher limits.",
    /// No sandbox can be created on this machine.
    SandboxUnavailable => "Run `backspace doctor`: it names what is missing and how to fix it.",
    /// The workspace could not be read after the calls of a turn, and no earlier state of it is stored.
    WorkspaceUnreadable => "The session's events say why; ask for work that leaves a smaller or simpler workspace behind.",
    /// The change contains something that must not leave a sandbox.
    ChangesetRejected => "The session's events name the file and the rule; ask for a change without it.",
    /// Somebody else changed the branch.
    PublishConflict => "Inspect the branch, then start a new session on top of it.",
    /// The log of the session cannot be read.
    LogCorrupt => "This is a defect of Tiny Backspace or of the disk: report it with the session's id.",
    /// A content that the session needs, such as a reply or a checkpoint, is gone from the store.
    ContentLost => "What the session still has is in its events and its branch: start a new session for the rest of the work.",
    /// There is no such session.
    SessionNotFound => "List the sessions to see which exist.",
    /// A newer attempt has taken over; this one did nothing.
    Stale => "Nothing needs to be done: the newer attempt continues.",
    /// A defect of ours.
    Internal => "This is a defect of Tiny Backspace: report it with the session's id.",
}

impl ErrorCode {
    /// Whether the model's service refused the conversation as it is, so that sending it again would fail in the same way.
    pub fn refuses_conversation(self) -> bool {
        matches!(self, Self::ModelRefusedRequest | Self::ModelFiltered | Self::ContextExhausted)
    }
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
    pub code: ErrorCode,
    /// What happened, to what. Shown to users, so it contains no secret.
    pub message: String,
}

impl Terminal {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// The outside system that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dependency {
    EventLog,
    Sessions,
    Accounts,
    Blobs,
    Workflows,
    LiveText,
    Secrets,
    Forge,
    Sandboxes,
    /// An earlier invocation of the same step.
    EarlierInvocation,
    /// The database of the one-machine world, which implements several ports.
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
            Self::EarlierInvocation => "an earlier invocation of the step",
            Self::Store => "the store",
        }
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A failure of an outside system that a retry may not meet again. Its cause is its [`source`](Error::source);
/// [`error_chain`] formats both on one line.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{dependency} failed")]
pub struct Unavailable {
    pub dependency: Dependency,
    // Shared, so that the error can be cloned: it is written to the log and returned to the workflow.
    #[source]
    cause: Arc<dyn Error + Send + Sync>,
}

impl Unavailable {
    /// `cause` is the error that the system returned, or a sentence about it.
    pub fn new(dependency: Dependency, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { dependency, cause: Arc::from(cause.into()) }
    }
}

/// An error and its causes on one line, outermost first: `the forge failed: git fetch: could not resolve host`.
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
    /// The workflow retries the step.
    #[error(transparent)]
    Retryable(#[from] Unavailable),
    /// The run ends, except for [`ErrorCode::Stale`], which ends this invocation only.
    #[error(transparent)]
    Terminal(#[from] Terminal),
}

impl StepError {
    /// The error type that the workflow's Retry and Catch match on. The code of a terminal error is in the log.
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Retryable(_) => "Unavailable",
            Self::Terminal(Terminal { code: ErrorCode::Stale, .. }) => "Stale",
            Self::Terminal(_) => "Terminal",
        }
    }

    /// Shorthand for a [`Terminal`].
    pub fn terminal(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::Terminal(Terminal::new(code, message))
    }
}

/// What the model reads about a tool call that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ToolFailure(pub String);
