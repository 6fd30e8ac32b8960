//! The port for live text: replies that are still being written.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Attempt, Conversation, SessionId, TurnNumber, Unavailable};

/// The end of what has arrived of a reply so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveReply {
    pub conversation: Conversation,
    pub turn: TurnNumber,
    /// Counts the calls for this turn, from 1. A new attempt starts its text again from the beginning.
    pub attempt: Attempt,
    /// Where `text` begins, counted in characters (Unicode code points) of the whole reply. A viewer that has less than that of the
    /// reply has missed a part, which arrives with the final event.
    #[serde(default)]
    pub offset: usize,
    /// At most the last [`MAX_LIVE_BYTES`] of the reply. Redacted, and without an end that may be the beginning of a secret
    /// ([`Redactor::redact_growing`](crate::Redactor::redact_growing)).
    pub text: String,
}

/// Maximum size of [`LiveReply::text`].
pub const MAX_LIVE_BYTES: usize = 2048;

/// Shows replies to viewers while they are written: one reply per session, overwritten as it grows.
///
/// # Contract
/// - **Callers may rely on** nothing being needed from here: what is lost arrives later as an event. A failure is logged and
///   does not end the work.
/// - **An implementation must** return the latest reply from `next`, whichever process shows it; it may skip earlier states, and
///   need not keep anything when the machine fails.
/// - **After a crash** the reply of the dead process may stay visible until the next one overwrites it or it is forgotten.
#[async_trait]
pub trait LiveText: Send + Sync {
    /// Overwrites the session's live reply. Called at most once a second.
    async fn show(&self, session: &SessionId, reply: &LiveReply) -> Result<(), Unavailable>;

    /// Returns the session's live reply as soon as it differs from `seen`, at the latest after `timeout`. None when nothing is
    /// shown.
    async fn next(
        &self,
        session: &SessionId,
        seen: Option<&LiveReply>,
        timeout: Duration,
    ) -> Result<Option<LiveReply>, Unavailable>;

    /// Removes the session's live reply. May be repeated.
    async fn forget(&self, session: &SessionId) -> Result<(), Unavailable>;
}
