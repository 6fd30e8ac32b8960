//! The port to the records of sessions.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Digest256, IdempotencyKey, MicroDollars, Principal, RunNumber, Session, SessionId, Status, TaskToken, Unavailable,
};

/// What lists show of a session. Derived from its log, and possibly a moment behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionSummary {
    pub id: SessionId,
    pub owner: Principal,
    pub created_at: Timestamp,
    /// When the summary was derived.
    pub updated_at: Timestamp,
    pub repo_url: String,
    /// The plan's title, or the beginning of the prompt before there is a plan.
    pub title: String,
    /// The latest run.
    pub run: RunNumber,
    /// Of the latest run.
    pub status: Status,
    /// Of all runs.
    pub cost: MicroDollars,
    pub pr_url: Option<String>,
    /// Whether a sandbox that no run uses any more is still to be terminated. `reconcile` does it.
    #[serde(default)]
    pub sandbox_left: bool,
}

/// What an idempotency key is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyBinding {
    /// Digest of the request that came with the key.
    pub request: Digest256,
    /// The session that the request creates.
    pub session: SessionId,
}

/// The records of sessions: what is fixed about each, its summary, its idempotency keys, and the token of a waiting task.
///
/// # Contract
/// - **Callers may rely on** every read seeing every write that has returned.
/// - **An implementation must** store task tokens encrypted, and return a token only for the run it was stored for.
/// - **After a crash** the log is right, and a record that is missing or behind is repaired from it. A caller that answers a
///   wait completes the task first and clears its token last, so that a crash in between leaves a task that can still be
///   completed.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Adds a session. False when there is one with this id: nothing was written.
    async fn create(&self, session: &Session, summary: &SessionSummary) -> Result<bool, Unavailable>;

    /// What is fixed about a session.
    async fn get(&self, id: &SessionId) -> Result<Option<Session>, Unavailable>;

    async fn summary(&self, id: &SessionId) -> Result<Option<SessionSummary>, Unavailable>;

    /// Replaces a summary, unless the stored one has a later `updated_at`: summaries of several processes may arrive in any
    /// order.
    async fn update(&self, summary: &SessionSummary) -> Result<(), Unavailable>;

    /// At most `limit` sessions older than `before`, newest first; those of every owner when `owner` is none.
    async fn list(
        &self,
        owner: Option<&Principal>,
        before: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionSummary>, Unavailable>;

    /// Binds a key of an owner, unless it is bound already. Returns the binding that is stored then: the first one.
    async fn bind_key(
        &self,
        owner: &Principal,
        key: &IdempotencyKey,
        binding: &KeyBinding,
    ) -> Result<KeyBinding, Unavailable>;

    /// Stores the token of a run's waiting task.
    async fn put_token(&self, id: &SessionId, run: RunNumber, token: &TaskToken) -> Result<(), Unavailable>;

    /// The token of a run's waiting task.
    async fn token(&self, id: &SessionId, run: RunNumber) -> Result<Option<TaskToken>, Unavailable>;

    /// Removes the token of a run's waiting task.
    async fn clear_token(&self, id: &SessionId, run: RunNumber) -> Result<(), Unavailable>;
}
