//! What a supervisor is told once, and what it answers.

use std::path::PathBuf;
use std::time::Duration;

use sandbox::{Error, Part, Specification};
use serde::{Deserialize, Serialize};

use crate::Ending;

/// What a supervisor is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    pub specification: Specification,
    /// The target of the mount to clone from, for clients to be told.
    pub source: Option<PathBuf>,
    /// After this time everything ends.
    pub lifetime: Option<Duration>,
    /// After so long without a client and without anything running, the supervisor ends.
    pub idle: Option<Duration>,
    /// Whether it goes on when whoever started it is gone.
    pub keep: bool,
}

impl Order {
    /// For as long as whoever starts it lives.
    pub fn new(specification: Specification) -> Self {
        Self { specification, source: None, lifetime: None, idle: None, keep: false }
    }
}

/// What a supervisor reads first.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Opening {
    pub(crate) order: Order,
    /// Whether to run a command before the sandbox counts as opened.
    pub(crate) trial: bool,
}

/// Why a supervisor did not begin.
#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("another process has the sandbox")]
    InUse,
    #[error("{0}")]
    Invalid(String),
    #[error("this machine lacks {part} ({detail}): {}", .part.remedy())]
    Lacking { part: Part, detail: String },
    #[error("{0}")]
    Other(String),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::InUse { .. } => Self::InUse,
            Error::Invalid(_) => Self::Invalid(error.to_string()),
            Error::Lacking { part, detail, .. } => Self::Lacking { part, detail },
            Error::SetUp(_) | Error::NotStarted { .. } | Error::Lost(_) | Error::Io { .. } => {
                Self::Other(error.to_string())
            }
        }
    }
}

impl From<Ending> for Refusal {
    fn from(ending: Ending) -> Self {
        Self::Other(format!("the sandbox has ended: {ending}"))
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Self::Other(error.to_string())
    }
}
