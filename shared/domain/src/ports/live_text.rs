//! The port for text that is still being written.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Attempt, SessionId, TurnNumber, Unavailable};

/// The reply that is being written, as far as it has come: one per session, overwritten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveReply {
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

    /// What is shown of the session.
    async fn current(&self, session: &SessionId) -> Result<Option<LiveReply>, Unavailable>;
}
