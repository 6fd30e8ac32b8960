//! The law of admission: whatever the order of steps, wherever processes crash, however often requests repeat, every run is
//! started once or ended, no quota is exceeded, and every dollar is charged once.

mod ports;
mod schedule;

use std::collections::{BTreeMap, BTreeSet};

use domain::admission::Place;
use domain::commands::{cancel, extend, message, start};
use domain::ports::{Reservations as _, Sessions as _};
use domain::state::SessionState;
use domain::{Account, BudgetExtended, ExecutionName, Keep, MicroDollars, Principal, Quota, Role, RunNumber, Seq};

use schedule::{Jumps, Schedule, end_run};

/// Runs a schedule and checks the laws at its end. Adds to `seen` what happened in it.
async fn check(seed: u64, jumps: Jumps, seen: &mut BTreeMap<&'static str, u32>) {
    let mut schedule = Schedule::new(seed, jumps).await;
    schedule.run().await;
    let ports = schedule.ports();
    let context = format!("schedule {seed}");
    assert_eq!(*ports.broken.lock().unwrap(), None, "{context}");
    let store = &ports.store;
    for (change, count) in ports.changes.lock().unwrap().iter() {
        *seen.entry(change).or_default() += count;
    }
    let mut charged = BTreeMap::<Principal, u64>::new();
    for id in schedule.sessions() {
        let events = domain::read_all(store, &id, Seq(0)).await.unwrap();
        let state = SessionState::of(&events);
        // A request that crashed before the log has left nothing.
        let Some(fixed) = &state.session else {
            assert!(store.summary(&id).await.unwrap().is_none(), "{context}: {id}");
            continue;
        };
        assert!(store.get(&id).await.unwrap().is_some(), "{context}: {id} has no record");
        for run in &state.runs {
            let execution = domain::ExecutionName { session: id.clone(), run: run.number };
            let starts = ports.starts.lock().unwrap().get(&execution).copied().unwrap_or(0);
            assert!(run.status.is_terminal(), "{context}: {execution} is {} after {starts} starts", run.status);
            assert!(starts <= 1, "{context}: {execution} was started {starts} times");
            assert!(starts == 1 || run.last_step_started == Seq(0), "{context}: {execution} ran without a start");
            let reservation = store.reservation(&execution).await.unwrap();
            let place = reservation.map(|reservation| reservation.place);
            assert_eq!(place, Some(Place::Settled), "{context}: {execution}");
            *seen.entry("runs").or_default() += 1;
            *charged.entry(fixed.owner.clone()).or_default() += run.budget.spent().0;
        }
    }
    for owner in Schedule::owners() {
        let counters = store.counters(&owner).await.unwrap();
        let left = (counters.active(), counters.queued(), counters.reserved());
        assert_eq!(left, (0, 0, MicroDollars(0)), "{context}: {counters:?}");
        let spent = counters.spent(domain::ports::Clock::now(ports.as_ref()));
        assert_eq!(spent.0, charged.get(&owner).copied().unwrap_or(0), "{context}: charged to {owner}");
    }
}

fn account(owner: &Principal, sessions: u32, dollars: Option<MicroDollars>) -> Account {
    let quota = Quota { max_concurrent_sessions: Some(sessions), max_daily_cost: dollars, ..Quota::default() };
    Account::new(owner.clone(), Role::Member, quota)
}

#[tokio::test]
async fn every_run_of_a_thousand_random_schedules_is_started_once_or_ended() {
    let mut seen = BTreeMap::new();
    for seed in 0..800 {
        check(seed, Jumps::Short, &mut seen).await;
    }
    // So long that starts which are still under way count as abandoned.
    for seed in 800..1000 {
        check(seed, Jumps::Long, &mut seen).await;
    }
    for change in ["runs", "admitted", "queued", "promoted", "raised", "settled", "discarded"] {
        assert!(seen.get(change).is_some_and(|count| *count > 20), "the schedules show too little: {seen:?}");
    }
}

#[tokio::test]
async fn no_request_reads_the_log_of_another_session() {
    let schedule = Schedule::new(1, Jumps::Short).await;
    let [owner, _] = Schedule::owners();
    // The first one gets the only slot, the others are queued.
    let mut sessions = Vec::new();
    for number in 0..3 {
        let started = start(schedule.services(), schedule.start_request(&owner, number)).await.unwrap();
        sessions.push(started.session.id);
    }
    let ports = schedule.ports();
    // The run is over, and nothing has released it yet: a free slot would be the next one's.
    let first = ExecutionName { session: sessions[0].clone(), run: RunNumber(1) };
    end_run(schedule.services(), &first).await;
    let (services, read) = (schedule.services(), || std::mem::take(&mut *ports.read.lock().unwrap()));
    let (first, last) = (&sessions[0], &sessions[2]);
    read();
    message(services, first, "And this.", None).await.unwrap();
    assert_eq!(read(), BTreeSet::from([first.clone()]));
    let more = BudgetExtended { cost: MicroDollars(1), ..BudgetExtended::default() };
    extend(services, last, more, None).await.unwrap();
    assert_eq!(read(), BTreeSet::from([last.clone()]));
    cancel(services, last, Keep::Nothing, None).await.unwrap();
    assert_eq!(read(), BTreeSet::from([last.clone()]));
    let fourth = start(services, schedule.start_request(&owner, 5)).await.unwrap().session.id;
    assert_eq!(read(), BTreeSet::from([fourth]));
}
