use std::io;
use std::path::PathBuf;

use crate::{ExecId, Part};

/// What can go wrong between a caller and a sandbox.
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
        remedy: String,
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
    #[error("{id} could not be started: {reason}")]
    NotStarted {
        /// The exec asked for.
        id: ExecId,
        /// Which preparation failed.
        reason: String,
    },

    /// The exec was started and lost its supervisor; how far it came is unknown. It is never repeated.
    #[error("{id} was cut off: it was started, and how it ended is not known")]
    CutOff {
        /// The exec asked for.
        id: ExecId,
    },

    /// The supervisor of this handle is gone, and all that ran with it; the directory can be opened again.
    #[error("the supervisor of the sandbox is gone")]
    Gone,

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
