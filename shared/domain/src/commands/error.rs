//! The errors of commands.

use crate::admission::NotAdmitted;
use crate::ports::{CorruptLog, ReadError};
use crate::state::IllegalEvent;
use crate::{MAX_PROMPT_BYTES, PlanId, SessionId, SessionLogError, TokenId, Unavailable};

use super::extend::MAX_EXTENSION;
use super::tokens::{MAX_CONCURRENT_SESSIONS, MAX_DAYS, MAX_LABEL_BYTES, MAX_REPOSITORIES};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is no such session.
    #[error("there is no session {0}")]
    NotFound(SessionId),
    /// The session is being deleted.
    #[error("session {0} was deleted")]
    Deleted(SessionId),
    /// There is no such token.
    #[error("there is no token {0}")]
    NoToken(TokenId),
    /// The state of the session does not allow it.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The input breaks a rule that holds in every state.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// The idempotency key is bound to another request.
    #[error("this Idempotency-Key belongs to another request; a new request needs a new key")]
    KeyReused,
    /// The idempotency key is bound to a session that was deleted.
    #[error("this Idempotency-Key belongs to session {0}, which was deleted; a new request needs a new key")]
    KeyOfDeleted(SessionId),
    /// The principal's quota does not allow it.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// The log of the session is damaged.
    #[error(transparent)]
    Corrupt(#[from] CorruptLog),
    /// An outside system failed. A part of the command may have taken effect; `reconcile` completes it.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why the state of a session does not allow a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// The run ended before the command was written.
    #[error("the run is over")]
    RunOver,
    /// A run of the session is not over.
    #[error("a run of this session is active already")]
    RunActive,
    /// Only a session whose runs are over can be deleted.
    #[error("session {0} is not over; cancel its run, or wait for its end, before you delete it")]
    NotOver(SessionId),
    /// Other commands changed the session during every attempt.
    #[error("the session was changed by others during every attempt; try again")]
    Contended,
    /// An event of the command must not follow the log's state.
    #[error(transparent)]
    Illegal(#[from] IllegalEvent),
    /// The id of the new session is in use.
    #[error("the log of session {0} exists already")]
    LogExists(SessionId),
    /// The log of the session that an idempotency key is bound to does not start with `session.created`.
    #[error("the log of session {0} does not begin with the session's creation")]
    LogUnreadable(SessionId),
    #[error("session {0} has no plan that waits for approval")]
    NoPlanWaiting(SessionId),
    /// The approval names another plan than the one that waits: the person saw an older one.
    #[error("plan {named} does not wait for approval; plan {waiting} does")]
    OtherPlan { named: PlanId, waiting: PlanId },
}

/// The rule that the input of a command breaks.
#[derive(Debug, thiserror::Error)]
pub enum InvalidInput {
    #[error("the message is empty")]
    EmptyMessage,
    #[error("a message has at most {MAX_PROMPT_BYTES} bytes and no NUL character")]
    Message,
    #[error("the extension is empty; name turns, dollars or minutes")]
    EmptyExtension,
    #[error(
        "a run is extended by at most {} turns, {} and {} minutes at a time",
        MAX_EXTENSION.turns, MAX_EXTENSION.cost, MAX_EXTENSION.minutes
    )]
    Extension,
    #[error("a label has at most {MAX_LABEL_BYTES} bytes and no control characters")]
    Label,
    #[error("a token is valid for 1 to {MAX_DAYS} days, or without limit")]
    Lifetime,
    #[error("the limit of concurrent sessions is 1 to {MAX_CONCURRENT_SESSIONS}, or none")]
    ConcurrentSessions,
    #[error("at most {MAX_REPOSITORIES} repositories can be listed")]
    Repositories,
    /// The idempotency key is bound to the digest of the request's JSON.
    #[error("the request cannot be written as JSON")]
    Unserializable(#[source] serde_json::Error),
}

impl From<SessionLogError> for CommandError {
    fn from(error: SessionLogError) -> Self {
        match error {
            SessionLogError::NotFound(session) => Self::NotFound(session),
            SessionLogError::Deleted(session) => Self::Deleted(session),
            SessionLogError::KeyReused => Self::KeyReused,
            SessionLogError::Stale => Conflict::RunOver.into(),
            SessionLogError::Illegal(illegal) => Conflict::Illegal(illegal).into(),
            SessionLogError::Corrupt(corrupt) => Self::Corrupt(corrupt),
            SessionLogError::Unavailable(unavailable) => Self::Unavailable(unavailable),
        }
    }
}

impl From<ReadError> for CommandError {
    fn from(error: ReadError) -> Self {
        SessionLogError::from(error).into()
    }
}

impl From<IllegalEvent> for CommandError {
    fn from(illegal: IllegalEvent) -> Self {
        Conflict::Illegal(illegal).into()
    }
}
