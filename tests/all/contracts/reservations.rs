//! The contract of [`Reservations`]: a reservation and its principal's counters change together, once.

use domain::admission::{Counters, Place, Reservation};
use domain::ports::Reservations;
use domain::{ExecutionName, MicroDollars, Principal, Quota, RunNumber};
use jiff::Timestamp;

use super::second_process;
use crate::support::{session_id, store};

const COST: MicroDollars = MicroDollars(5);

fn ada() -> Principal {
    "ada".parse().unwrap()
}

fn run(session: u8, run: u32) -> ExecutionName {
    ExecutionName { session: session_id(session), run: RunNumber(run) }
}

fn at(second: u8) -> Timestamp {
    format!("2026-11-22T10:00:{second:02}Z").parse().unwrap()
}

/// One slot, the rest is queued.
fn quota() -> Quota {
    Quota { max_concurrent_sessions: Some(1), ..Quota::default() }
}

/// Commits a reservation for a run; false when there is one already.
async fn admit(port: &dyn Reservations, execution: &ExecutionName, second: u8) -> bool {
    let counters = port.counters(&ada()).await.unwrap();
    let change = counters.admit(&quota(), &ada(), execution, COST, at(second)).unwrap();
    port.commit(&change).await.unwrap()
}

async fn held(port: &dyn Reservations, place: Place) -> Vec<ExecutionName> {
    let held = port.in_place(&ada(), place, 10).await.unwrap();
    held.into_iter().map(|reservation| reservation.execution).collect()
}

async fn sums(port: &dyn Reservations) -> (u32, u32, MicroDollars, MicroDollars) {
    let counters = port.counters(&ada()).await.unwrap();
    (counters.active(), counters.queued(), counters.reserved(), counters.spent(at(50)))
}

async fn reservation(port: &dyn Reservations, execution: &ExecutionName) -> Reservation {
    port.reservation(execution).await.unwrap().unwrap()
}

/// In the first process.
async fn first(port: &dyn Reservations) {
    assert_eq!(port.counters(&ada()).await.unwrap(), Counters::default());
    assert_eq!(port.reservation(&run(1, 1)).await.unwrap(), None);

    // Three runs: one gets the slot, two are queued in the order in which they came.
    for (second, execution) in [(1, run(2, 1)), (2, run(3, 1)), (3, run(1, 1))] {
        assert!(admit(port, &execution, second).await);
    }
    assert_eq!(held(port, Place::Active).await, [run(2, 1)]);
    assert_eq!(held(port, Place::Queued).await, [run(3, 1), run(1, 1)]);
    assert_eq!(port.in_place(&ada(), Place::Queued, 1).await.unwrap().len(), 1);
    assert_eq!(sums(port).await, (1, 2, MicroDollars(15), MicroDollars(0)));

    // A run is reserved once, and nothing of a refused change is written.
    let before = port.counters(&ada()).await.unwrap();
    assert!(!admit(port, &run(1, 1), 4).await, "it has a reservation");
    assert_eq!(port.counters(&ada()).await.unwrap(), before);

    // All principals' reservations of before a time, in pages.
    let outstanding = async |after: Option<&ExecutionName>, limit| {
        let found = port.outstanding(at(3), after, limit).await.unwrap();
        found.into_iter().map(|reservation| reservation.execution).collect::<Vec<_>>()
    };
    assert_eq!(outstanding(None, 10).await, [run(2, 1), run(3, 1)], "the last one is too young");
    assert_eq!(outstanding(None, 1).await, [run(2, 1)]);
    assert_eq!(outstanding(Some(&run(2, 1)), 1).await, [run(3, 1)]);
}

/// In another process: settles the active run, and gives its slot to the next.
async fn second(port: &dyn Reservations) {
    let (counters, active) = (port.counters(&ada()).await.unwrap(), reservation(port, &run(2, 1)).await);
    let settled = counters.settle(active, MicroDollars(3), at(10));
    assert!(port.commit(&settled).await.unwrap());
    assert!(!port.commit(&settled).await.unwrap(), "it is charged once");
    let (counters, next) = (port.counters(&ada()).await.unwrap(), reservation(port, &run(3, 1)).await);
    assert!(port.commit(&counters.promote(next)).await.unwrap());
}

/// Back in the first process, which has read counters and reservation before the second one changed them.
async fn after(port: &dyn Reservations, counters: &Counters, active: &Reservation) {
    assert!(!port.commit(&counters.settle(active.clone(), MicroDollars(4), at(11))).await.unwrap());
    // Up to date counters do not help a reservation that has changed.
    let current = port.counters(&ada()).await.unwrap();
    assert!(!port.commit(&current.settle(active.clone(), MicroDollars(4), at(11))).await.unwrap());
    assert_eq!(sums(port).await, (1, 1, MicroDollars(10), MicroDollars(3)));
    assert_eq!(held(port, Place::Active).await, [run(3, 1)]);

    // A settled reservation stays until its session is deleted, so that the run is not reserved again.
    assert!(!admit(port, &run(2, 1), 12).await);
    port.forget(&session_id(3)).await.unwrap();
    assert_eq!(held(port, Place::Active).await, [run(3, 1)], "only settled ones are forgotten");
    port.forget(&session_id(2)).await.unwrap();
    assert_eq!(port.reservation(&run(2, 1)).await.unwrap(), None);

    // A run that was never started leaves nothing.
    let unused = reservation(port, &run(1, 1)).await;
    let counters = port.counters(&ada()).await.unwrap();
    assert!(port.commit(&counters.discard(unused)).await.unwrap());
    assert_eq!(port.reservation(&run(1, 1)).await.unwrap(), None);
    assert_eq!(sums(port).await, (1, 0, COST, MicroDollars(3)));
    let other: Principal = "bob".parse().unwrap();
    assert_eq!(port.counters(&other).await.unwrap(), Counters::default(), "principals do not mix");
}

#[tokio::test]
async fn the_local_store_fulfils_the_contract_of_reservations() {
    if let Some(directory) = second_process::directory() {
        return second(&store(&directory)).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let port = store(directory.path());
    first(&port).await;
    let (counters, active) = (port.counters(&ada()).await.unwrap(), reservation(&port, &run(2, 1)).await);
    second_process::run(
        "contracts::reservations::the_local_store_fulfils_the_contract_of_reservations",
        directory.path(),
    );
    after(&port, &counters, &active).await;
}
