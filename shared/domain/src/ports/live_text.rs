//! The port for text that is still being written.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Attempt, Conversation, SessionId, TurnNumber, Unavailable};

/// The reply that is being written, as far as it has come: one per session, overwritten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveReply {
    /// The conversation.
    pub conversation: Conversation,
    /// The turn.
    pub turn: TurnNumber,
    /// Which try at it.
    pub attempt: Attempt,
    /// Its text so far, masked, without the last characters that might be the beginning of a secret.
    pub text: String,
}

/// Shows replies while they are written. Nothing depends on it: what is lost here comes later as an event.
#[async_trait]
pub trait LiveText: Send + Sync {
    /// Overwrites what is shown of the session.
    async fn show(&self, session: &SessionId, reply: &LiveReply) -> Result<(), Unavailable>;

    /// What is shown of the session: as soon as it is another than `seen`, or after `at_most`.
    async fn next(
        &self,
        session: &SessionId,
        seen: Option<&LiveReply>,
        at_most: Duration,
    ) -> Result<Option<LiveReply>, Unavailable>;

    /// Shows nothing of the session any more.
    async fn forget(&self, session: &SessionId) -> Result<(), Unavailable>;
}
