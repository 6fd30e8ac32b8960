//! Ports whose every call is a point at which the schedule may run another task, or crash this one.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use domain::admission::{Counters, Place, Reservation, ReservationChange};
use domain::ports::{
    Accounts, AppendError, Clock, EventLog, ExecutionState, Ids, KeyBinding, Reservations, SessionSummary, Sessions,
    Traces, Workflows,
};
use domain::{
    AccessToken, Account, Digest256, Event, ExecutionName, IdempotencyKey, PlanId, Principal, RunNumber, Seq, Session,
    SessionId, Span, SpanId, StepOutput, TaskToken, TokenId, TokenRecord, TraceId, Unavailable,
};
use jiff::{SignedDuration, Timestamp};
use local::Store;

/// Returns control to the scheduler once.
struct Pause(bool);

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        context.waker().wake_by_ref();
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// A call of a port: a crash may come before it or after it.
async fn call<T>(call: impl Future<Output = T>) -> T {
    Pause(false).await;
    let answer = call.await;
    Pause(false).await;
    answer
}

/// The ports of one schedule.
pub(super) struct Ports {
    pub(super) store: Store,
    /// Seconds since the start of the day.
    seconds: AtomicI64,
    ids: AtomicU64,
    pub(super) executions: Mutex<BTreeMap<ExecutionName, ExecutionState>>,
    /// How often each execution was accepted.
    pub(super) starts: Mutex<BTreeMap<ExecutionName, u32>>,
    /// Sessions whose logs were read.
    pub(super) read: Mutex<BTreeSet<SessionId>>,
    /// How often each change of a reservation was committed.
    pub(super) changes: Mutex<BTreeMap<&'static str, u32>>,
    /// The first broken law.
    pub(super) broken: Mutex<Option<String>>,
}

impl Ports {
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
            seconds: AtomicI64::new(0),
            ids: AtomicU64::new(0),
            executions: Mutex::default(),
            starts: Mutex::default(),
            read: Mutex::default(),
            changes: Mutex::default(),
            broken: Mutex::default(),
        }
    }

    pub(super) fn pass(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(super) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::SeqCst)
    }

    fn broke(&self, law: String) {
        self.broken.lock().unwrap().get_or_insert(law);
    }

    /// The laws that hold after every commit.
    async fn check(&self, change: &ReservationChange) {
        let Some(named) = change.before.as_ref().or(change.after.as_ref()) else { return };
        *self.changes.lock().unwrap().entry(name(change)).or_default() += 1;
        let quota = self.store.account(&named.principal).await.unwrap().unwrap().quota;
        let counters = self.store.counters(&named.principal).await.unwrap();
        if quota.max_concurrent_sessions.is_some_and(|max| counters.active() > max) {
            self.broke(format!("more active runs than allowed: {counters:?}"));
        }
        if quota.max_daily_cost.is_some_and(|max| counters.committed(self.now()) > max) {
            self.broke(format!("more money committed than allowed: {counters:?}"));
        }
        let held = async |place| self.store.in_place(&named.principal, place, usize::MAX).await.unwrap();
        let (active, queued) = (held(Place::Active).await, held(Place::Queued).await);
        let reserved = active.iter().chain(&queued).map(|held| held.reserved).sum();
        let sums = (active.len(), queued.len(), reserved);
        if sums != (counters.active() as usize, counters.queued() as usize, counters.reserved()) {
            self.broke(format!("the reservations add up to {sums:?}, not to {counters:?}"));
        }
        let promoted = change.before.as_ref().filter(|before| before.place == Place::Queued);
        let promoted = promoted.filter(|_| change.after.as_ref().is_some_and(|after| after.place == Place::Active));
        if promoted.is_some_and(|run| queued.iter().any(|waiting| waiting.ticket < run.ticket)) {
            self.broke(format!("{promoted:?} overtook one of {queued:?}"));
        }
    }
}

/// What a change does, for the count of changes.
fn name(change: &ReservationChange) -> &'static str {
    let place = |reservation: &Option<Reservation>| reservation.as_ref().map(|reservation| reservation.place);
    match (place(&change.before), place(&change.after)) {
        (None, Some(Place::Active)) => "admitted",
        (None | Some(Place::Settled), Some(Place::Queued)) => "queued",
        (Some(Place::Queued), Some(Place::Active)) => "promoted",
        (Some(Place::Queued | Place::Active), Some(Place::Settled)) => "settled",
        (Some(_), None) => "discarded",
        (Some(before), Some(after)) if before == after => "raised",
        (before, after) => panic!("a reservation went from {before:?} to {after:?}"),
    }
}

#[async_trait]
impl Clock for Ports {
    fn now(&self) -> Timestamp {
        let start: Timestamp = "2026-11-25T00:00:00Z".parse().unwrap();
        start + SignedDuration::from_secs(self.seconds.load(Ordering::SeqCst))
    }

    async fn sleep(&self, _duration: Duration) {
        Pause(false).await;
    }
}

impl Ids for Ports {
    fn session(&self) -> SessionId {
        format!("01K{:023}", self.next_id()).parse().unwrap()
    }

    fn trace(&self) -> TraceId {
        format!("6740a1b2{:024x}", self.next_id() + 1).parse().unwrap()
    }

    fn span(&self) -> SpanId {
        format!("{:016x}", self.next_id() + 1).parse().unwrap()
    }

    fn plan(&self) -> PlanId {
        format!("plan-{:010}", self.next_id()).parse().unwrap()
    }

    fn token(&self) -> (TokenId, AccessToken) {
        unreachable!("no schedule creates a token")
    }

    fn unique(&self) -> String {
        self.next_id().to_string()
    }
}

impl Traces for Ports {
    fn emit(&self, _span: Span) {}

    fn flush(&self) {}
}

#[async_trait]
impl Workflows for Ports {
    async fn start(&self, execution: &ExecutionName) -> Result<(), Unavailable> {
        call(async {
            let mut executions = self.executions.lock().unwrap();
            if !executions.contains_key(execution) {
                executions.insert(execution.clone(), ExecutionState::Running);
                *self.starts.lock().unwrap().entry(execution.clone()).or_default() += 1;
            }
            Ok(())
        })
        .await
    }

    async fn complete(&self, _token: &TaskToken, _answer: &StepOutput) -> Result<bool, Unavailable> {
        Ok(false)
    }

    async fn stop(&self, _execution: &ExecutionName, _cause: &str) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn state(&self, execution: &ExecutionName) -> Result<ExecutionState, Unavailable> {
        call(async { Ok(self.executions.lock().unwrap().get(execution).copied().unwrap_or(ExecutionState::Unknown)) })
            .await
    }
}

#[async_trait]
impl Reservations for Ports {
    async fn counters(&self, principal: &Principal) -> Result<Counters, Unavailable> {
        call(self.store.counters(principal)).await
    }

    async fn reservation(&self, execution: &ExecutionName) -> Result<Option<Reservation>, Unavailable> {
        call(self.store.reservation(execution)).await
    }

    async fn in_place(
        &self,
        principal: &Principal,
        place: Place,
        limit: usize,
    ) -> Result<Vec<Reservation>, Unavailable> {
        call(self.store.in_place(principal, place, limit)).await
    }

    async fn outstanding(
        &self,
        before: Timestamp,
        after: Option<&ExecutionName>,
        limit: usize,
    ) -> Result<Vec<Reservation>, Unavailable> {
        call(self.store.outstanding(before, after, limit)).await
    }

    async fn commit(&self, change: &ReservationChange) -> Result<bool, Unavailable> {
        call(async {
            let committed = self.store.commit(change).await?;
            if committed {
                self.check(change).await;
            }
            Ok(committed)
        })
        .await
    }

    async fn forget(&self, session: &SessionId) -> Result<(), Unavailable> {
        self.store.forget(session).await
    }
}

#[async_trait]
impl EventLog for Ports {
    async fn append(&self, session: &SessionId, after: Seq, batch: &[Event]) -> Result<(), AppendError> {
        call(self.store.append(session, after, batch)).await
    }

    async fn read(&self, session: &SessionId, after: Seq, limit: usize) -> Result<Vec<Event>, Unavailable> {
        self.read.lock().unwrap().insert(session.clone());
        call(self.store.read(session, after, limit)).await
    }

    async fn wait(&self, _session: &SessionId, _after: Seq, _timeout: Duration) -> Result<(), Unavailable> {
        Pause(false).await;
        Ok(())
    }
}

#[async_trait]
impl Accounts for Ports {
    async fn account(&self, principal: &Principal) -> Result<Option<Account>, Unavailable> {
        call(self.store.account(principal)).await
    }

    async fn put_account(&self, account: &Account) -> Result<bool, Unavailable> {
        self.store.put_account(account).await
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
impl Sessions for Ports {
    async fn create(&self, session: &Session, summary: &SessionSummary) -> Result<bool, Unavailable> {
        call(self.store.create(session, summary)).await
    }

    async fn get(&self, id: &SessionId) -> Result<Option<Session>, Unavailable> {
        call(self.store.get(id)).await
    }

    async fn summary(&self, id: &SessionId) -> Result<Option<SessionSummary>, Unavailable> {
        call(self.store.summary(id)).await
    }

    async fn update(&self, summary: &SessionSummary) -> Result<(), Unavailable> {
        call(self.store.update(summary)).await
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
        call(self.store.bind_key(owner, key, binding)).await
    }

    async fn put_token(&self, id: &SessionId, run: RunNumber, token: &TaskToken) -> Result<(), Unavailable> {
        self.store.put_token(id, run, token).await
    }

    async fn token(&self, id: &SessionId, run: RunNumber) -> Result<Option<TaskToken>, Unavailable> {
        self.store.token(id, run).await
    }

    async fn clear_token(&self, id: &SessionId, run: RunNumber) -> Result<(), Unavailable> {
        self.store.clear_token(id, run).await
    }
}
