//! Ports whose every call is a point at which the schedule may run another task, or crash this one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use domain::admission::{Counters, Place, Reservation, ReservationChange};
use domain::commands::Services;
use domain::ports::{
    Accounts as _, AppendError, Clock, EventLog, ExecutionState, Ids, Page, ReadError, Reservations, Traces, Workflows,
};
use domain::{
    AccessToken, Event, ExecutionName, PlanId, Principal, Redactor, Seq, SessionId, Span, SpanId, StepOutput,
    TaskToken, TokenId, TraceId, Unavailable,
};
use jiff::{SignedDuration, Timestamp};
use local::{LiveDirectory, Store};

use crate::support::{Hooks, Intercepted, store};

/// Returns control to the scheduler once.
struct Pause(bool);

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        context.waker().wake_by_ref();
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// A crash may come before a call and after it.
pub(super) struct Crashes;

impl Hooks for Crashes {
    async fn enter(&self) -> Result<usize, Unavailable> {
        Pause(false).await;
        Ok(0)
    }

    async fn leave(&self, _entered: usize) -> Result<(), Unavailable> {
        Pause(false).await;
        Ok(())
    }
}

async fn call<T>(call: impl Future<Output = T>) -> T {
    Pause(false).await;
    let answer = call.await;
    Pause(false).await;
    answer
}

/// The ports of one schedule.
pub(super) struct Ports {
    directory: PathBuf,
    pub(super) store: Store,
    stored: Arc<Intercepted<Crashes>>,
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
    pub(super) fn new(directory: &Path) -> Self {
        let store = store(directory);
        let stored = Arc::new(Intercepted { store: store.clone(), hooks: Crashes });
        Self {
            directory: directory.to_owned(),
            store,
            stored,
            seconds: AtomicI64::new(0),
            ids: AtomicU64::new(0),
            executions: Mutex::default(),
            starts: Mutex::default(),
            read: Mutex::default(),
            changes: Mutex::default(),
            broken: Mutex::default(),
        }
    }

    /// Services with these ports.
    pub(super) fn services(self: &Arc<Self>) -> Services {
        Services {
            event_log: Arc::clone(self) as _,
            sessions: Arc::clone(&self.stored) as _,
            blobs: Arc::<crate::support::MemoryBlobs>::default(),
            accounts: Arc::clone(&self.stored) as _,
            reservations: Arc::clone(self) as _,
            workflows: Arc::clone(self) as _,
            live: Arc::new(LiveDirectory::new(self.directory.join("live"))),
            clock: Arc::clone(self) as _,
            ids: Arc::clone(self) as _,
            traces: Arc::clone(self) as _,
            redactor: Redactor::default(),
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

    async fn forget(&self, _session: &SessionId) -> Result<(), Unavailable> {
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
        self.stored.counters(principal).await
    }

    async fn reservation(&self, execution: &ExecutionName) -> Result<Option<Reservation>, Unavailable> {
        self.stored.reservation(execution).await
    }

    async fn in_place(
        &self,
        principal: &Principal,
        place: Place,
        limit: usize,
    ) -> Result<Vec<Reservation>, Unavailable> {
        self.stored.in_place(principal, place, limit).await
    }

    async fn outstanding(
        &self,
        before: Timestamp,
        after: Option<&ExecutionName>,
        limit: usize,
    ) -> Result<Vec<Reservation>, Unavailable> {
        self.stored.outstanding(before, after, limit).await
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
        Reservations::forget(self.stored.as_ref(), session).await
    }
}

#[async_trait]
impl EventLog for Ports {
    async fn append(&self, session: &SessionId, after: Seq, batch: &[Event]) -> Result<(), AppendError> {
        self.stored.append(session, after, batch).await
    }

    async fn read(&self, session: &SessionId, after: Seq, limit: usize) -> Result<Page, ReadError> {
        self.read.lock().unwrap().insert(session.clone());
        self.stored.read(session, after, limit).await
    }

    async fn wait(&self, session: &SessionId, after: Seq, timeout: Duration) -> Result<bool, Unavailable> {
        self.stored.wait(session, after, timeout).await
    }

    async fn delete(&self, session: &SessionId) -> Result<(), Unavailable> {
        EventLog::delete(self.stored.as_ref(), session).await
    }
}
