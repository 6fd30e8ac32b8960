//! Errors with messages for the model: what happened, to what, and what to do next.

use std::io;

use serde::{Deserialize, Serialize};

/// The error half of a response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// For the calling program.
    pub kind: ErrorKind,
    /// For the model.
    pub message: String,
}

/// The kinds of failure that a caller may handle differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The request or response could not be parsed.
    Protocol,
    /// The other side speaks another version.
    Version,
    /// A path that leaves the workspace, enters `.git` or is malformed.
    Path,
    /// Nothing exists at the path.
    Missing,
    /// Something of another kind exists at the path: a directory, a device, a binary file.
    WrongType,
    /// The file exists and the model has not been shown its current content.
    Unseen,
    /// The text to replace does not occur.
    NoMatch,
    /// The text to replace occurs more than once.
    Ambiguous,
    /// A line number that the file does not have.
    Range,
    /// A file above a limit.
    TooLarge,
    /// An invalid argument, such as a malformed pattern.
    Invalid,
    /// `baseline` was not called, or the base that it stored is missing or damaged.
    NoBase,
    /// Git failed.
    Git,
    /// A system call failed.
    Io,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ToolError {
    #[error("The message could not be read: {0}.")]
    Protocol(String),
    #[error(
        "Protocol version {got} is not supported, only version {supported}. Use the toolbox that belongs to the caller."
    )]
    Version { got: u32, supported: u32 },
    #[error("{path:?} is outside the workspace {workspace}. Use a path inside it.")]
    Outside { path: String, workspace: String },
    #[error(
        "{path:?} goes through the symbolic link {link:?}, which leads outside the workspace. Only paths that stay inside can be used."
    )]
    LinkOutside { path: String, link: String },
    #[error("{path:?} goes through the symbolic link {link:?}. Symbolic links are not followed here.")]
    LinkRefused { path: String, link: String },
    #[error("{path:?} goes through too many symbolic links. Use the path of the file itself.")]
    LinkLoop { path: String },
    #[error("{path:?} is in a `.git` directory, which this tool neither reads nor changes.")]
    GitDirectory { path: String },
    #[error("{path:?} is not a usable path: {reason}.")]
    BadPath { path: String, reason: &'static str },
    #[error("{path:?} does not exist. {advice}")]
    Missing { path: String, advice: &'static str },
    #[error("{path:?} is {what}. {advice}")]
    WrongType { path: String, what: String, advice: &'static str },
    #[error(
        "{path:?} exists already and its current content has not been shown in full in this session, so it was not overwritten. View the file first, or change part of it with str_replace."
    )]
    Unseen { path: String },
    #[error("Nothing was changed: old_str does not occur in {path:?}. {hint}")]
    NoMatch { path: String, hint: String },
    #[error(
        "Nothing was changed: old_str occurs {count} times in {path:?}, in lines {lines}. Add surrounding lines to old_str so that it occurs once."
    )]
    Ambiguous { path: String, count: String, lines: String },
    #[error("{0}")]
    Range(String),
    #[error("{path:?} has {bytes} bytes, above the limit of {limit} for this operation. {advice}")]
    TooLarge { path: String, bytes: u64, limit: u64, advice: &'static str },
    #[error("{0}")]
    Invalid(String),
    #[error("The base commit is not known: {0}.")]
    NoBase(String),
    #[error("git {command} failed: {message}")]
    Git { command: String, message: String },
    #[error("{action} {path:?} failed: {source}.")]
    Io { action: &'static str, path: String, source: io::Error },
}

impl ToolError {
    pub(crate) fn io(action: &'static str, path: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Protocol(_) => ErrorKind::Protocol,
            Self::Version { .. } => ErrorKind::Version,
            Self::Outside { .. }
            | Self::LinkOutside { .. }
            | Self::LinkRefused { .. }
            | Self::LinkLoop { .. }
            | Self::GitDirectory { .. }
            | Self::BadPath { .. } => ErrorKind::Path,
            Self::Missing { .. } => ErrorKind::Missing,
            Self::WrongType { .. } => ErrorKind::WrongType,
            Self::Unseen { .. } => ErrorKind::Unseen,
            Self::NoMatch { .. } => ErrorKind::NoMatch,
            Self::Ambiguous { .. } => ErrorKind::Ambiguous,
            Self::Range(_) => ErrorKind::Range,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::NoBase(_) => ErrorKind::NoBase,
            Self::Git { .. } => ErrorKind::Git,
            Self::Io { .. } => ErrorKind::Io,
        }
    }
}

impl From<ToolError> for Failure {
    fn from(error: ToolError) -> Self {
        Self { kind: error.kind(), message: error.to_string() }
    }
}
