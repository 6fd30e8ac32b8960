//! Why an append fails.

use crate::ports::{CorruptLog, ReadError};
use crate::state::IllegalEvent;
use crate::{ErrorCode, SessionId, StepError, Terminal, Unavailable, error_chain};

/// Why an event was not written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SessionLogError {
    /// A newer invocation of a step has taken over, or the run is over: this writer must stop.
    #[error("a newer attempt has taken over")]
    Stale,
    /// There is no such session.
    #[error("there is no session {0}")]
    NotFound(SessionId),
    /// The session is being deleted.
    #[error("session {0} was deleted")]
    Deleted(SessionId),
    /// The idempotency key of the command came with another command.
    #[error("this Idempotency-Key belongs to another request")]
    KeyReused,
    /// The event must not follow what the log says now.
    #[error(transparent)]
    Illegal(#[from] IllegalEvent),
    /// A batch of the log is damaged or gone.
    #[error(transparent)]
    Corrupt(#[from] CorruptLog),
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<ReadError> for SessionLogError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Corrupt(corrupt) => Self::Corrupt(corrupt),
            ReadError::Unavailable(unavailable) => Self::Unavailable(unavailable),
        }
    }
}

impl From<SessionLogError> for StepError {
    fn from(error: SessionLogError) -> Self {
        match error {
            SessionLogError::Stale => Self::terminal(ErrorCode::Stale, "a newer attempt has taken over"),
            SessionLogError::NotFound(_) | SessionLogError::Deleted(_) => {
                Self::terminal(ErrorCode::SessionNotFound, error.to_string())
            }
            SessionLogError::Illegal(illegal) => Self::terminal(ErrorCode::Internal, illegal.to_string()),
            // Steps have no keys.
            SessionLogError::KeyReused => Self::terminal(ErrorCode::Internal, error.to_string()),
            SessionLogError::Corrupt(corrupt) => Self::terminal(ErrorCode::LogCorrupt, corrupt.to_string()),
            SessionLogError::Unavailable(unavailable) => Self::Retryable(unavailable),
        }
    }
}

impl From<SessionLogError> for Terminal {
    fn from(error: SessionLogError) -> Self {
        match StepError::from(error) {
            StepError::Terminal(terminal) => terminal,
            StepError::Retryable(unavailable) => Self::new(ErrorCode::Internal, error_chain(&unavailable)),
        }
    }
}
