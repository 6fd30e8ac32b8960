//! Ports of which one call fails, before or after it was carried out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::admission::{Counters, Place, Reservation, ReservationChange};
use domain::commands::Services;
use domain::ports::{
    Accounts, AppendError, BlobError, Blobs, EventLog, ExecutionState, KeyBinding, LiveReply, LiveText, Page,
    ReadError, Reservations, SessionSummary, Sessions, Workflows,
};
use domain::{
    Account, BlobRef, Digest256, Event, ExecutionName, IdempotencyKey, OutsideKey, Principal, RunNumber, Seq, Session,
    SessionId, StepOutput, TaskToken, TokenId, TokenRecord, Unavailable,
};
use jiff::Timestamp;
use local::{Store, World};

/// The ports of a world, of which one call fails. Workflows are not run.
pub(crate) struct FaultyPorts {
    store: Store,
    blobs: Arc<dyn Blobs>,
    live: Arc<dyn LiveText>,
    calls: AtomicUsize,
    fails_at: usize,
    after: bool,
    execution: ExecutionState,
    completed: AtomicUsize,
}

impl FaultyPorts {
    /// The `fails_at`-th call fails, with `after` when it was carried out.
    pub(crate) fn new(world: &World, fails_at: usize, after: bool) -> Arc<Self> {
        Arc::new(Self::with(world, fails_at, after, ExecutionState::Unknown))
    }

    /// Like [`FaultyPorts::new`], with executions that run.
    pub(crate) fn of_running_workflows(world: &World, fails_at: usize, after: bool) -> Arc<Self> {
        Arc::new(Self::with(world, fails_at, after, ExecutionState::Running))
    }

    fn with(world: &World, fails_at: usize, after: bool, execution: ExecutionState) -> Self {
        let (store, calls) = (world.store.clone(), AtomicUsize::new(0));
        let (blobs, live) = (Arc::clone(&world.blobs) as _, Arc::clone(&world.live) as _);
        Self { store, blobs, live, calls, fails_at, after, execution, completed: AtomicUsize::new(0) }
    }

    /// The services of a world over these ports.
    pub(crate) fn services(self: &Arc<Self>, world: &World) -> Services {
        Services {
            event_log: Arc::clone(self) as _,
            sessions: Arc::clone(self) as _,
            accounts: Arc::clone(self) as _,
            reservations: Arc::clone(self) as _,
            workflows: Arc::clone(self) as _,
            blobs: Arc::clone(self) as _,
            live: Arc::clone(self) as _,
            ..world.services()
        }
    }

    /// How often a waiting task was completed.
    pub(crate) fn completed(&self) -> usize {
        self.completed.load(Ordering::SeqCst)
    }

    /// Whether there were enough calls for one to fail.
    pub(crate) fn has_failed(&self) -> bool {
        self.calls.load(Ordering::SeqCst) >= self.fails_at
    }

    /// Carries out a call. The `fails_at`-th one fails, with `after` when it was carried out.
    async fn call<T, E>(&self, call: impl Future<Output = Result<T, E>>, failure: E) -> Result<T, E> {
        let fails = self.calls.fetch_add(1, Ordering::SeqCst) + 1 == self.fails_at;
        if fails && !self.after {
            return Err(failure);
        }
        let done = call.await;
        if fails { Err(failure) } else { done }
    }
}

fn injected() -> Unavailable {
    Unavailable::new(domain::Dependency::Store, "injected")
}

#[async_trait]
impl EventLog for FaultyPorts {
    async fn append(&self, session: &SessionId, after: Seq, batch: &[Event]) -> Result<(), AppendError> {
        self.call(self.store.append(session, after, batch), AppendError::Unavailable(injected())).await
    }

    async fn read(&self, session: &SessionId, after: Seq, limit: usize) -> Result<Page, ReadError> {
        self.call(self.store.read(session, after, limit), injected().into()).await
    }

    async fn wait(&self, session: &SessionId, after: Seq, timeout: Duration) -> Result<bool, Unavailable> {
        self.store.wait(session, after, timeout).await
    }

    async fn delete(&self, session: &SessionId) -> Result<(), Unavailable> {
        self.call(EventLog::delete(&self.store, session), injected()).await
    }
}

#[async_trait]
impl Accounts for FaultyPorts {
    async fn account(&self, principal: &Principal) -> Result<Option<Account>, Unavailable> {
        self.call(self.store.account(principal), injected()).await
    }

    async fn put_account(&self, account: &Account) -> Result<bool, Unavailable> {
        self.call(self.store.put_account(account), injected()).await
    }

    async fn accounts(&self) -> Result<Vec<Account>, Unavailable> {
        self.store.accounts().await
    }

    async fn add_token(&self, token: &TokenRecord) -> Result<(), Unavailable> {
        self.store.add_token(token).await
    }

    async fn token_by_digest(&self, digest: &Digest256) -> Result<Option<TokenRecord>, Unavailable> {
        self.store.token_by_digest(digest).await
    }

    async fn tokens(&self) -> Result<Vec<TokenRecord>, Unavailable> {
        self.store.tokens().await
    }

    async fn revoke_token(&self, id: &TokenId, at: Timestamp) -> Result<bool, Unavailable> {
        self.store.revoke_token(id, at).await
    }
}

#[async_trait]
impl Reservations for FaultyPorts {
    async fn counters(&self, principal: &Principal) -> Result<Counters, Unavailable> {
        self.call(self.store.counters(principal), injected()).await
    }

    async fn reservation(&self, execution: &ExecutionName) -> Result<Option<Reservation>, Unavailable> {
        self.call(self.store.reservation(execution), injected()).await
    }

    async fn in_place(
        &self,
        principal: &Principal,
        place: Place,
        limit: usize,
    ) -> Result<Vec<Reservation>, Unavailable> {
        self.store.in_place(principal, place, limit).await
    }

    async fn outstanding(
        &self,
        before: Timestamp,
        after: Option<&ExecutionName>,
        limit: usize,
    ) -> Result<Vec<Reservation>, Unavailable> {
        self.store.outstanding(before, after, limit).await
    }

    async fn commit(&self, change: &ReservationChange) -> Result<bool, Unavailable> {
        self.call(self.store.commit(change), injected()).await
    }

    async fn forget(&self, session: &SessionId) -> Result<(), Unavailable> {
        self.call(Reservations::forget(&self.store, session), injected()).await
    }
}

#[async_trait]
impl Sessions for FaultyPorts {
    async fn create(&self, session: &Session, summary: &SessionSummary) -> Result<bool, Unavailable> {
        self.call(self.store.create(session, summary), injected()).await
    }

    async fn get(&self, id: &SessionId) -> Result<Option<Session>, Unavailable> {
        self.call(self.store.get(id), injected()).await
    }

    async fn summary(&self, id: &SessionId) -> Result<Option<SessionSummary>, Unavailable> {
        self.call(self.store.summary(id), injected()).await
    }

    async fn update(&self, summary: &SessionSummary) -> Result<(), Unavailable> {
        self.call(self.store.update(summary), injected()).await
    }

    async fn list(
        &self,
        owner: Option<&Principal>,
        before: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionSummary>, Unavailable> {
        self.store.list(owner, before, limit).await
    }

    async fn bind_key(
        &self,
        owner: &Principal,
        key: &IdempotencyKey,
        binding: &KeyBinding,
    ) -> Result<KeyBinding, Unavailable> {
        self.call(self.store.bind_key(owner, key, binding), injected()).await
    }

    async fn put_token(&self, id: &SessionId, run: RunNumber, token: &TaskToken) -> Result<(), Unavailable> {
        self.store.put_token(id, run, token).await
    }

    async fn token(&self, id: &SessionId, run: RunNumber) -> Result<Option<TaskToken>, Unavailable> {
        self.call(self.store.token(id, run), injected()).await
    }

    async fn clear_token(&self, id: &SessionId, run: RunNumber, token: &TaskToken) -> Result<(), Unavailable> {
        self.call(self.store.clear_token(id, run, token), injected()).await
    }

    async fn unfinished(
        &self,
        written_before: Timestamp,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, Unavailable> {
        self.store.unfinished(written_before, after, limit).await
    }

    async fn bind_outside(&self, key: &OutsideKey, session: &SessionId) -> Result<SessionId, Unavailable> {
        self.store.bind_outside(key, session).await
    }

    async fn session_of(&self, key: &OutsideKey) -> Result<Option<SessionId>, Unavailable> {
        self.store.session_of(key).await
    }

    async fn begin_deletion(&self, id: &SessionId, owner: &Principal) -> Result<bool, Unavailable> {
        self.call(self.store.begin_deletion(id, owner), injected()).await
    }

    async fn deletions(&self, limit: usize) -> Result<Vec<SessionId>, Unavailable> {
        self.store.deletions(limit).await
    }

    async fn end_deletion(&self, id: &SessionId) -> Result<(), Unavailable> {
        self.call(self.store.end_deletion(id), injected()).await
    }

    async fn is_deleted(&self, id: &SessionId) -> Result<bool, Unavailable> {
        self.call(self.store.is_deleted(id), injected()).await
    }
}

#[async_trait]
impl Workflows for FaultyPorts {
    async fn start(&self, _execution: &ExecutionName) -> Result<(), Unavailable> {
        self.call(async { Ok(()) }, injected()).await
    }

    async fn complete(&self, _token: &TaskToken, _answer: &StepOutput) -> Result<bool, Unavailable> {
        let completed = async {
            self.completed.fetch_add(1, Ordering::SeqCst);
            Ok(true)
        };
        self.call(completed, injected()).await
    }

    async fn stop(&self, _execution: &ExecutionName, _cause: &str) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn state(&self, _execution: &ExecutionName) -> Result<ExecutionState, Unavailable> {
        Ok(self.execution)
    }

    async fn forget(&self, session: &SessionId) -> Result<(), Unavailable> {
        self.call(async { self.store.forget_executions(session) }, injected()).await
    }
}

#[async_trait]
impl Blobs for FaultyPorts {
    async fn put(&self, session: &SessionId, content: &[u8]) -> Result<BlobRef, Unavailable> {
        self.blobs.put(session, content).await
    }

    async fn get(&self, session: &SessionId, digest: &Digest256) -> Result<Vec<u8>, BlobError> {
        self.blobs.get(session, digest).await
    }

    async fn delete_session(&self, session: &SessionId) -> Result<(), Unavailable> {
        self.call(self.blobs.delete_session(session), injected()).await
    }
}

#[async_trait]
impl LiveText for FaultyPorts {
    async fn show(&self, session: &SessionId, reply: &LiveReply) -> Result<(), Unavailable> {
        self.live.show(session, reply).await
    }

    async fn next(
        &self,
        session: &SessionId,
        seen: Option<&LiveReply>,
        timeout: Duration,
    ) -> Result<Option<LiveReply>, Unavailable> {
        self.live.next(session, seen, timeout).await
    }

    async fn forget(&self, session: &SessionId) -> Result<(), Unavailable> {
        self.call(self.live.forget(session), injected()).await
    }
}
