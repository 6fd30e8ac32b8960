//! Why commands are not carried out.

use crate::state::IllegalEvent;
use crate::{MAX_PROMPT_BYTES, NotAdmitted, PlanId, SessionId, SessionLogError, TokenId, Unavailable};

use super::answer::MAX_EXTENSION;
use super::tokens::{MAX_CONCURRENT_SESSIONS, MAX_DAYS, MAX_LABEL_BYTES, MAX_REPOSITORIES};

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is no such session.
    #[error("there is no session {0}")]
    NotFound(SessionId),
    /// There is no such token.
    #[error("there is no token {0}")]
    NoToken(TokenId),
    /// The session is not in a state for it.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The input breaks a rule that holds in every state.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// The idempotency key came with another request before.
    #[error("this Idempotency-Key belongs to another request; a new request needs a new key")]
    KeyReused,
    /// The principal's limits are reached.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// Something outside failed.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// What in the session's state stands in the way of a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// The run ended before the command was written.
    #[error("the run is over")]
    RunOver,
    /// Another run of the session is at work.
    #[error("a run is at work already")]
    RunActive,
    /// The log refuses the event that the command stands for.
    #[error(transparent)]
    Illegal(#[from] IllegalEvent),
    /// A new session's id is taken.
    #[error("the log of session {0} exists already")]
    LogExists(SessionId),
    /// The log of the session that an idempotency key names holds something else.
    #[error("the log of session {0} does not begin with the session's creation")]
    LogUnreadable(SessionId),
    /// No plan waits for approval.
    #[error("session {0} has no plan that waits for approval")]
    NoPlanWaiting(SessionId),
    /// The approval names another plan than the one that waits.
    #[error("plan {named} is not the one that waits; that is {waiting}")]
    OtherPlan {
        /// The plan that the approval names.
        named: PlanId,
        /// The plan that waits.
        waiting: PlanId,
    },
}

/// Which rule the input of a command breaks.
#[derive(Debug, thiserror::Error)]
pub enum InvalidInput {
    /// A message without a visible character.
    #[error("the message is empty")]
    EmptyMessage,
    /// A message that is too long or holds NUL.
    #[error("a message has at most {MAX_PROMPT_BYTES} bytes and no NUL character")]
    Message,
    /// An extension that adds nothing.
    #[error("say by how much: turns, dollars or minutes")]
    EmptyExtension,
    /// An extension beyond what can be added at a time.
    #[error(
        "a run is extended by at most {} turns, {} and {} minutes at a time",
        MAX_EXTENSION.turns, MAX_EXTENSION.cost, MAX_EXTENSION.minutes
    )]
    Extension,
    /// A token's label.
    #[error("a label has at most {MAX_LABEL_BYTES} bytes and no control characters")]
    Label,
    /// A token's lifetime.
    #[error("a token is valid for 1 to {MAX_DAYS} days, or without limit")]
    Lifetime,
    /// A principal's number of concurrent sessions.
    #[error("a principal has 1 to {MAX_CONCURRENT_SESSIONS} sessions at a time, or any number")]
    ConcurrentSessions,
    /// A principal's list of repositories.
    #[error("at most {MAX_REPOSITORIES} repositories can be named")]
    Repositories,
    /// The request cannot be written as JSON, which its idempotency key is bound to.
    #[error("the request cannot be written as JSON")]
    Unserializable(#[source] serde_json::Error),
}

impl From<SessionLogError> for CommandError {
    fn from(error: SessionLogError) -> Self {
        match error {
            SessionLogError::NotFound(session) => Self::NotFound(session),
            SessionLogError::Stale => Conflict::RunOver.into(),
            SessionLogError::Illegal(illegal) => Conflict::Illegal(illegal).into(),
            SessionLogError::Unavailable(unavailable) => Self::Unavailable(unavailable),
        }
    }
}

impl From<IllegalEvent> for CommandError {
    fn from(illegal: IllegalEvent) -> Self {
        Conflict::Illegal(illegal).into()
    }
}
