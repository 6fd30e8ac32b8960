use std::io;
use std::path::PathBuf;

use crate::part::Failure;
use crate::{ExecId, Part};

/// What can go wrong with a sandbox.
///
/// A command that fails is not among it: that is an [`Exit`](crate::Exit).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What the caller asked for cannot be expressed; nothing was started.
    #[error("invalid request to the sandbox: {0}")]
    Invalid(String),

    /// The machine lacks something that the mode needs.
    #[error("this machine lacks {part} ({detail}): {remedy}")]
    Lacking {
        /// What is missing.
        part: Part,
        /// What the kernel answered.
        detail: String,
        /// What to do about it.
        remedy: &'static str,
    },

    /// Another supervisor has this directory.
    #[error("the sandbox in {} is in use by another process", .directory.display())]
    InUse {
        /// The sandbox's directory.
        directory: PathBuf,
    },

    /// The sandbox could not be set up, for a reason other than a missing part of the kernel.
    #[error("the sandbox could not be set up: {0}")]
    SetUp(String),

    /// The command was never reached; the same id may be tried again.
    #[error("{id} could not be started: {source}")]
    NotStarted {
        /// The exec asked for.
        id: ExecId,
        /// Which preparation failed.
        source: io::Error,
    },

    /// Nothing can be started any more, and what ran may not be supervised any more: the supervisor has to end.
    #[error("the sandbox is lost: {0}")]
    Lost(&'static str),

    /// An operation of the host failed.
    #[error("{action}: {source}")]
    Io {
        /// What was tried, and on what.
        action: String,
        /// The host's answer.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io<S: Into<io::Error>>(action: impl Into<String>) -> impl FnOnce(S) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source: source.into() }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure.part {
            Some(part) => Self::Lacking { part, detail: failure.detail, remedy: part.remedy() },
            None => Self::SetUp(failure.detail),
        }
    }
}
