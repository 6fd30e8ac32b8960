//! The port to the records of sessions.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Digest256, IdempotencyKey, MicroDollars, OutsideKey, Principal, RunNumber, Seq, Session, SessionId, Status,
    TaskToken, Unavailable,
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

/// Where the latest snapshot of a session's log is: what was folded from its events, stored as blobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotRecord {
    /// The last event that it covers.
    pub tail: Seq,
    /// The version of the program that stored it ([`SNAPSHOT_VERSION`](crate::SNAPSHOT_VERSION)); no other one reads it.
    pub version: String,
    pub blob: Digest256,
    /// The blobs with the parts of conversations that it refers to.
    pub parts: Vec<Digest256>,
}

impl SnapshotRecord {
    /// Every blob that the snapshot consists of.
    pub fn blobs(&self) -> impl Iterator<Item = &Digest256> {
        self.parts.iter().chain([&self.blob])
    }
}

/// The records of sessions: what is fixed about each, its summary, its keys, the token of a waiting task, and where
/// its log's snapshot is.
///
/// # Contract
/// - **Callers may rely on** every read seeing every write that has returned, except that `list` and `unfinished` may be a moment
///   behind.
/// - **An implementation must** store task tokens encrypted, and return a token only for the run it was stored for. Of a session
///   that was deleted it retains the id alone, so that nothing which comes late creates it again.
/// - **After a crash** the log is right, and a record that is missing or behind is repaired from it. A caller that answers a
///   wait completes the task first and clears its token last, so that a crash in between leaves a task that can still be
///   completed. A deletion that was begun is listed by `deletions` until it is ended.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Adds a session. False when there is or was one with this id: nothing was written.
    async fn create(&self, session: &Session, summary: &SessionSummary) -> Result<bool, Unavailable>;

    /// What is fixed about a session.
    async fn get(&self, id: &SessionId) -> Result<Option<Session>, Unavailable>;

    async fn summary(&self, id: &SessionId) -> Result<Option<SessionSummary>, Unavailable>;

    /// Replaces a summary, unless the stored one has a later `updated_at`: summaries of several processes may arrive in any
    /// order.
    async fn update(&self, summary: &SessionSummary) -> Result<(), Unavailable>;

    /// Where the latest snapshot of a session's log is. None also for a record in a form that another version of the program wrote.
    async fn snapshot(&self, id: &SessionId) -> Result<Option<SnapshotRecord>, Unavailable>;

    /// Replaces where the snapshot is, unless the stored one covers more events. False when nothing was written, also because
    /// the session has no record.
    async fn put_snapshot(&self, id: &SessionId, snapshot: &SnapshotRecord) -> Result<bool, Unavailable>;

    /// At most `limit` sessions older than `before`, newest first; those of every owner when `owner` is none.
    async fn list(
        &self,
        owner: Option<&Principal>,
        before: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionSummary>, Unavailable>;

    /// At most `limit` sessions after `after` whose latest run is not over, or that have left a sandbox, and whose record was last
    /// written at or before `written_before`, oldest first. Only an empty answer means that there are no more.
    async fn unfinished(
        &self,
        written_before: Timestamp,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, Unavailable>;

    /// Binds a key of an owner, unless it is bound already. Returns the binding that is stored then: the first one. It remains
    /// when the session is deleted, so that a request that is sent again does not start a deleted session anew.
    async fn bind_key(
        &self,
        owner: &Principal,
        key: &IdempotencyKey,
        binding: &KeyBinding,
    ) -> Result<KeyBinding, Unavailable>;

    /// Stores the token of a run's waiting task. `step` is the `step.started` of the invocation that got it. False when a later
    /// invocation has stored its token before, even if that was cleared: nothing was written.
    async fn put_token(
        &self,
        id: &SessionId,
        run: RunNumber,
        step: Seq,
        token: &TaskToken,
    ) -> Result<bool, Unavailable>;

    /// The token of a run's waiting task.
    async fn token(&self, id: &SessionId, run: RunNumber) -> Result<Option<TaskToken>, Unavailable>;

    /// Removes this token of a run's waiting task. A token that was stored later stays: it belongs to the run's next wait.
    async fn clear_token(&self, id: &SessionId, run: RunNumber, token: &TaskToken) -> Result<(), Unavailable>;

    /// Binds an issue or pull request to a session, which need not exist yet, unless it is bound to another one that was not
    /// deleted. Returns the session that it is bound to then.
    async fn bind_outside(&self, key: &OutsideKey, session: &SessionId) -> Result<SessionId, Unavailable>;

    /// The session that an issue or pull request is bound to, unless that was deleted.
    async fn session_of(&self, key: &OutsideKey) -> Result<Option<SessionId>, Unavailable>;

    /// Removes the record of a session of `owner`, with its token and its outside keys; what is left says that the session is
    /// being deleted. True when it is, also when the deletion had begun before and was not ended; false when there is no such
    /// session of this owner.
    async fn begin_deletion(&self, id: &SessionId, owner: &Principal) -> Result<bool, Unavailable>;

    /// At most `limit` sessions whose deletion was begun and not ended.
    async fn deletions(&self, limit: usize) -> Result<Vec<SessionId>, Unavailable>;

    /// Ends a deletion, when everything else of the session is deleted. May be repeated.
    async fn end_deletion(&self, id: &SessionId) -> Result<(), Unavailable>;

    /// Whether the deletion of a session was begun.
    async fn is_deleted(&self, id: &SessionId) -> Result<bool, Unavailable>;
}

/// Sessions per read of [`all_unfinished`].
const PAGE_ITEMS: usize = 200;

/// All sessions of [`Sessions::unfinished`].
pub async fn all_unfinished(sessions: &dyn Sessions, written_before: Timestamp) -> Result<Vec<SessionId>, Unavailable> {
    let mut all: Vec<SessionId> = Vec::new();
    loop {
        let page = sessions.unfinished(written_before, all.last(), PAGE_ITEMS).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}
