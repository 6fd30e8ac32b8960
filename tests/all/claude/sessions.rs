//! Whole sessions against a service with each kind of fault at each turn.

use std::sync::Arc;
use std::time::Duration;

use domain::{EventBody, Status, UncheckedRequest};
use local::DriveOutcome;
use serde_json::{Value, json};

use crate::support::{Home, SessionRun, bash, ends, repository, run_session_in, script, settings, sonnet_price, world};

const TURNS: usize = 10;

fn faults() -> Vec<Value> {
    vec![
        Value::Null,
        json!({ "kind": "status", "status": 429, "retryAfter": 0 }),
        json!({ "kind": "status", "status": 429 }),
        // More times than a call retries, so the run waits.
        json!({ "kind": "status", "status": 429, "retryAfter": 0, "times": 3 }),
        json!({ "kind": "status", "status": 529 }),
        json!({ "kind": "status", "status": 500, "retryAfter": 0, "times": 3 }),
        json!({ "kind": "errorObject" }),
        json!({ "kind": "errorObject", "status": 500, "retryAfter": 0, "times": 3 }),
        json!({ "kind": "errorEvent" }),
        json!({ "kind": "errorEvent", "afterPieces": 0 }),
        json!({ "kind": "cut" }),
        json!({ "kind": "stall" }),
        json!({ "kind": "slowFirstByte", "seconds": 0.05 }),
        json!({ "kind": "splitUtf8" }),
        json!({ "kind": "unknownEvent" }),
        json!({ "kind": "hangUp" }),
    ]
}

/// Runs a session whose n-th turn has the fault `first + n`, and returns how many replies broke off in mid-stream.
async fn session(home: &Home, first: usize) -> u64 {
    let faults = faults();
    let turns: Vec<Value> = (0..TURNS)
        .map(|turn| {
            let last = turn + 1 == TURNS;
            let mut turn_of = if last { ends() } else { bash(&format!("echo {turn} >> a.txt")) };
            turn_of["thinking"] = json!("Grüße, a thought of some length – 🦀 – before the next line is written.");
            let fault = &faults[(first + turn) % faults.len()];
            if !fault.is_null() {
                turn_of["fault"] = fault.clone();
            }
            turn_of
        })
        .collect();
    let context = format!("the faults from number {first} on");

    let mut settings = settings(&home.beside(&format!("data-{first}")), &[]);
    settings.model_access = settings.model_access.with_timeouts(Duration::from_millis(1), Duration::from_millis(500));
    let world = world(settings);
    let checkout = repository(home, &format!("project-{first}"), &[("a.txt", "begin\n")]);
    let draft = UncheckedRequest { prompt: "Count.".to_owned(), ..UncheckedRequest::default() };
    let event_log = Arc::new(world.store.clone());
    let run = run_session_in(&world, &checkout, draft, &script(&turns), event_log).await;
    assert_eq!(run.outcome, DriveOutcome::Ended(Status::Done), "{context}");
    let content = run.branch().file("a.txt");
    assert_eq!(content, "begin\n0\n1\n2\n3\n4\n5\n6\n7\n8", "the same change as without faults, {context}");

    let SessionRun { events, bill, .. } = run;
    let replied: Vec<u64> = events
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::ModelReplied(replied) => Some(replied.cost.0),
            _ => None,
        })
        .collect();
    let whole: Vec<u64> = bill.iter().filter(|charge| charge.complete).map(sonnet_price).collect();
    assert_eq!(replied, whole, "every reply is paid once and to the micro-dollar, {context}");
    let settled: u64 = events
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::BudgetSettled(settled) => Some(settled.cost.0),
            _ => None,
        })
        .sum();
    // The client can only estimate what a broken reply cost: never less than the bill, and little more.
    let billed: u64 = bill.iter().map(sonnet_price).sum();
    let broken = bill.iter().filter(|charge| !charge.complete).count() as u64;
    assert!((billed..=billed + 300 * broken).contains(&settled), "{settled} for {billed}, {context}");
    let totals = events.iter().find_map(|event| match &event.body {
        EventBody::RunFinished(finished) => Some(finished.totals.cost.0),
        _ => None,
    });
    assert_eq!(totals, Some(settled), "{context}");
    broken
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_fault_at_any_turn_leaves_the_change_and_the_price_the_same() {
    let home = Home::new();
    // Each fault occurs at each turn once.
    let mut broken = 0;
    for first in (0..faults().len()).step_by(2) {
        // Two at a time, because some of them wait for time-outs.
        let (one, other) = tokio::join!(session(&home, first), session(&home, first + 1));
        broken += one + other;
    }
    assert_eq!(broken, 3 * TURNS as u64, "an error in mid-stream, a cut and a stall at every turn");
}
