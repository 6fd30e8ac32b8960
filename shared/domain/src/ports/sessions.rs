//! The port to the sessions' records.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Digest256, IdempotencyKey, MicroDollars, Principal, RunNumber, Session, SessionId, Status, TaskToken, Unavailable,
};

/// What lists show of a session. It follows the log and may be a moment behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionSummary {
    /// The session.
    pub id: SessionId,
    /// Who owns it.
    pub owner: Principal,
    /// When it was created.
    pub created_at: Timestamp,
    /// When something last happened.
    pub updated_at: Timestamp,
    /// The repository.
    pub repo_url: String,
    /// The beginning of the prompt, or the plan's title.
    pub title: String,
    /// Its latest run.
    pub run: RunNumber,
    /// How that stands.
    pub status: Status,
    /// Money spent by all runs.
    pub cost: MicroDollars,
    /// The pull request.
    pub pr_url: Option<String>,
}

/// What a key stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyBinding {
    /// The digest of the request that it came with.
    pub request: Digest256,
    /// The session that the request makes.
    pub session: SessionId,
}

/// The records of sessions: what is fixed about each, what lists show, and the handle of a waiting task.
///
/// Contract: `create` fails softly (false) for an id that exists; a task token is encrypted where it is kept, is returned
/// only for its run. Whoever answers reads it, completes the task, and clears it last, so that a crash in between leaves a
/// task that can still be answered.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Adds a session; false when there is one of that id.
    async fn create(&self, session: &Session, summary: &SessionSummary) -> Result<bool, Unavailable>;

    /// What is fixed about a session.
    async fn get(&self, id: &SessionId) -> Result<Option<Session>, Unavailable>;

    /// What lists show of a session.
    async fn summary(&self, id: &SessionId) -> Result<Option<SessionSummary>, Unavailable>;

    /// Brings what lists show up to date; an older `updated_at` than the kept one changes nothing.
    async fn update(&self, summary: &SessionSummary) -> Result<(), Unavailable>;

    /// The owner's sessions (all with none), newest first, at most `limit`, older than `before`.
    async fn list(
        &self,
        owner: Option<&Principal>,
        before: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionSummary>, Unavailable>;

    /// Binds a key of an owner, unless it is bound already: the first binding stands. Returns the one that stands.
    async fn bind_key(
        &self,
        owner: &Principal,
        key: &IdempotencyKey,
        binding: &KeyBinding,
    ) -> Result<KeyBinding, Unavailable>;

    /// Keeps the handle of a run's waiting task.
    async fn put_token(&self, id: &SessionId, run: RunNumber, token: &TaskToken) -> Result<(), Unavailable>;

    /// The handle of a run's waiting task.
    async fn token(&self, id: &SessionId, run: RunNumber) -> Result<Option<TaskToken>, Unavailable>;

    /// Forgets the handle of a run's waiting task.
    async fn clear_token(&self, id: &SessionId, run: RunNumber) -> Result<(), Unavailable>;
}
