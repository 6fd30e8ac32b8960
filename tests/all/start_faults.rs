//! Every call to a port that starting a session makes fails once, before or after it was carried out. Sending the request again
//! with the same idempotency key then starts the session exactly once.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::admission::Place;
use domain::commands::{CommandError, Progress, Services, Start, start};
use domain::ports::{Accounts as _, Clock, Reservations as _, Sessions as _, all_unfinished};
use domain::{Account, ExecutionName, Principal, RunNumber, Seq, UncheckedRequest};
use jiff::Timestamp;
use local::{Store, WallClock, World};

use crate::support::{FaultyPorts, Home, settings, start_request, world};

fn draft() -> UncheckedRequest {
    UncheckedRequest { repo_url: "/x".to_owned(), prompt: "Do it.".to_owned(), ..UncheckedRequest::default() }
}

/// Starts a session while the `fails_at`-th call fails. Returns false when there were fewer calls.
async fn start_with_a_failure(fails_at: usize, after: bool, with_key: bool) -> bool {
    let home = Home::new();
    let world = world(settings(&home.beside("data"), &[]));
    let faulty = FaultyPorts::new(&world, fails_at, after);
    let services = Services { clock: Arc::new(AnHourAgo), ..faulty.services(&world) };
    let owner: Principal = "local".parse().unwrap();
    let send = async |key: Option<&str>| {
        let key = key.map(|key| key.parse().unwrap());
        start(&services, Start { key, ..start_request(&world, "local", draft()) }).await
    };
    let key = with_key.then_some("key-1");
    let first = send(key).await;
    let failed = faulty.has_failed();
    let context = format!("call {fails_at} failed, after: {after}");
    // A snapshot that cannot be read is done without.
    let refused = matches!(first, Err(CommandError::Unavailable(_)));
    assert!(first.is_ok() || (failed && refused), "{context}: {first:?}");
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
        let found = all_unfinished(&world.store, WallClock.now()).await.unwrap();
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
