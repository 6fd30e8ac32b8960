//! Every call to a port that starting a session makes fails once, before or after it was carried out. Sending the request again
//! with the same idempotency key then starts the session exactly once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::admission::{Counters, Place, Reservation, ReservationChange};
use domain::commands::{CommandError, Progress, Services, Start, start};
use domain::ports::{
    Accounts, AppendError, Clock, EventLog, ExecutionState, KeyBinding, Reservations, SessionSummary, Sessions,
    Workflows,
};
use domain::{
    Account, Digest256, Event, ExecutionName, IdempotencyKey, Principal, RunNumber, Seq, Session, SessionId,
    StepOutput, TaskToken, TokenId, TokenRecord, Unavailable, UncheckedRequest,
};
use jiff::Timestamp;
use local::{Store, WallClock, World};

use crate::support::{Home, settings, start_request, world};

/// Ports of which one call fails.
struct Faulty {
    store: Store,
    calls: AtomicUsize,
    fails_at: usize,
    after: bool,
}

impl Faulty {
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
impl EventLog for Faulty {
    async fn append(&self, session: &SessionId, after: Seq, batch: &[Event]) -> Result<(), AppendError> {
        self.call(self.store.append(session, after, batch), AppendError::Unavailable(injected())).await
    }

    async fn read(&self, session: &SessionId, after: Seq, limit: usize) -> Result<Vec<Event>, Unavailable> {
        self.call(self.store.read(session, after, limit), injected()).await
    }

    async fn wait(&self, session: &SessionId, after: Seq, timeout: Duration) -> Result<(), Unavailable> {
        self.store.wait(session, after, timeout).await
    }
}

#[async_trait]
impl Accounts for Faulty {
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
impl Reservations for Faulty {
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
        Reservations::forget(&self.store, session).await
    }
}

#[async_trait]
impl Sessions for Faulty {
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
        self.store.token(id, run).await
    }

    async fn clear_token(&self, id: &SessionId, run: RunNumber) -> Result<(), Unavailable> {
        self.store.clear_token(id, run).await
    }
}

#[async_trait]
impl Workflows for Faulty {
    async fn start(&self, _execution: &ExecutionName) -> Result<(), Unavailable> {
        self.call(async { Ok(()) }, injected()).await
    }

    async fn complete(&self, _token: &TaskToken, _answer: &StepOutput) -> Result<bool, Unavailable> {
        Ok(false)
    }

    async fn stop(&self, _execution: &ExecutionName, _cause: &str) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn state(&self, _execution: &ExecutionName) -> Result<ExecutionState, Unavailable> {
        Ok(ExecutionState::Unknown)
    }
}

fn draft() -> UncheckedRequest {
    UncheckedRequest { repo_url: "/x".to_owned(), prompt: "Do it.".to_owned(), ..UncheckedRequest::default() }
}

/// Starts a session while the `fails_at`-th call fails. Returns false when there were fewer calls.
async fn start_with_a_failure(fails_at: usize, after: bool, with_key: bool) -> bool {
    let home = Home::new();
    let world = world(settings(&home.beside("data"), &[]));
    let faulty = Arc::new(Faulty { store: world.store.clone(), calls: AtomicUsize::new(0), fails_at, after });
    let services = Services {
        event_log: Arc::clone(&faulty) as _,
        sessions: Arc::clone(&faulty) as _,
        accounts: Arc::clone(&faulty) as _,
        reservations: Arc::clone(&faulty) as _,
        workflows: Arc::clone(&faulty) as _,
        clock: Arc::new(AnHourAgo),
        ..world.services()
    };
    let owner: Principal = "local".parse().unwrap();
    let send = async |key: Option<&str>| {
        let key = key.map(|key| key.parse().unwrap());
        start(&services, Start { key, ..start_request(&world, "local", draft()) }).await
    };
    let key = with_key.then_some("key-1");
    let first = send(key).await;
    let failed = faulty.calls.load(Ordering::SeqCst) >= fails_at;
    let context = format!("call {fails_at} failed, after: {after}");
    assert_eq!(matches!(first, Err(CommandError::Unavailable(_))), failed, "{context}");
    if !failed {
        return false;
    }
    if !with_key {
        assert_slots_belong_to_sessions(&world, &owner, &context).await;
        return true;
    }
    let session = send(key).await.unwrap().session;
    let listed = world.store.list(Some(&owner), None, 10).await.unwrap();
    assert_eq!(listed.iter().map(|one| &one.id).collect::<Vec<_>>(), [&session.id], "{context}");
    let events = domain::read_all(&world.store, &session.id, Seq(0)).await.unwrap();
    assert_eq!(events.len(), 2, "{context}");
    let active: Vec<ExecutionName> = active(&world.store, &owner).await;
    assert_eq!(active, [ExecutionName { session: session.id, run: RunNumber(1) }], "{context}");
    true
}

#[tokio::test]
async fn a_request_retried_with_its_key_starts_exactly_one_session() {
    for after in [false, true] {
        let mut failed = 0;
        while start_with_a_failure(failed + 1, after, true).await {
            failed += 1;
        }
        assert!(failed >= 7, "only {failed} calls failed");
    }
}

#[tokio::test]
async fn a_failed_start_holds_no_slot_for_a_session_without_a_record() {
    for after in [false, true] {
        let mut failed = 0;
        while start_with_a_failure(failed + 1, after, false).await {
            failed += 1;
        }
        assert!(failed >= 6, "only {failed} calls failed");
    }
}

async fn active(store: &Store, owner: &Principal) -> Vec<ExecutionName> {
    let active = store.in_place(owner, Place::Active, 10).await.unwrap();
    active.into_iter().map(|reservation| reservation.execution).collect()
}

/// After a timer has advanced what is outstanding, every active slot belongs to a session that has a record, through which the
/// program finds and drives it.
async fn assert_slots_belong_to_sessions(world: &World, owner: &Principal, context: &str) {
    world.services().advance_outstanding(Duration::ZERO, |_| false).await.unwrap();
    for execution in active(&world.store, owner).await {
        let session = execution.session;
        assert!(world.store.get(&session).await.unwrap().is_some(), "{context}: {session}");
        let found = world.store.unfinished(WallClock.now()).unwrap();
        assert_eq!(found, [session], "{context}");
    }
}

#[tokio::test]
async fn a_run_queued_for_a_day_expires_and_releases_its_reservation() {
    let home = Home::new();
    let world = world(settings(&home.beside("data"), &[]));
    let owner: Principal = "alice".parse().unwrap();
    let quota = domain::Quota { max_concurrent_sessions: Some(1), ..domain::Quota::default() };
    let account = Account::new(owner.clone(), domain::Role::Member, quota);
    assert!(world.store.put_account(&account).await.unwrap());
    let mut sessions = Vec::new();
    for _ in 0..2 {
        let request = start_request(&world, "alice", draft());
        sessions.push(start(&world.services(), request).await.unwrap().session.id);
    }
    let reconciled = async |services: &Services| {
        domain::commands::reconcile(services, world.sandboxes.as_ref(), &sessions[1]).await.unwrap()
    };
    assert_eq!(reconciled(&world.services()).await, Progress::Queued);
    let later = Services { clock: Arc::new(InTwoDays), ..world.services() };
    assert_eq!(reconciled(&later).await, Progress::Ended);
    let queued = world.store.in_place(&owner, Place::Queued, 10).await.unwrap();
    assert!(queued.is_empty(), "{queued:?}");
    let events = domain::read_all(&world.store, &sessions[1], Seq(0)).await.unwrap();
    let state = domain::state::SessionState::of(&events);
    assert_eq!(state.status(), Some(domain::Status::Expired));
    let finished = state.run().and_then(|run| run.finished.clone()).unwrap();
    assert!(finished.summary.contains("never started"), "{finished:?}");
}

/// A clock two days ahead, when every queued run has expired.
struct InTwoDays;

#[async_trait]
impl Clock for InTwoDays {
    fn now(&self) -> Timestamp {
        WallClock.now() + jiff::SignedDuration::from_hours(48)
    }

    async fn sleep(&self, _duration: Duration) {}
}

/// A clock an hour behind: what was started then and is still incomplete counts as abandoned.
struct AnHourAgo;

#[async_trait]
impl Clock for AnHourAgo {
    fn now(&self) -> Timestamp {
        WallClock.now() - jiff::SignedDuration::from_hours(1)
    }

    async fn sleep(&self, _duration: Duration) {}
}
