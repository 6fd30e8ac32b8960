//! Whole sessions against a service with each kind of fault at each turn.

use std::sync::Arc;
use std::time::Duration;

use domain::commands::{Start, start};
use domain::{EventBody, Seq, Status, UncheckedRequest};
use local::{DriveOutcome, KeepTree, Settings, WaitPolicy, World, drive_session, variables};
use serde_json::{Value, json};
use stand_ins::claude::{Script, Server, Settings as StandIn};

use super::service::sonnet;
use crate::faults::Hurried;
use crate::support::{Home, bash, ends, git, program, repository, script};

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
    let what = format!("the faults from number {first} on");

    let data = home.beside(&format!("data-{first}")).display().to_string();
    let settings = Settings::from(|name| (name == variables::BACKSPACE_HOME).then(|| data.clone()));
    let mut settings = settings.unwrap();
    settings.model_access = settings.model_access.with_timeouts(Duration::from_millis(1), Duration::from_millis(500));
    let world = World::with_program(settings, KeepTree::No, program()).unwrap();
    let checkout = repository(home, &format!("project-{first}"), &[("a.txt", "begin\n")]);
    let script = Script::parse(&script(&turns).to_string()).unwrap();
    let server = Server::bind("127.0.0.1:0", script, StandIn::default()).await.unwrap();
    let event_log = Arc::new(world.store.clone());
    let interpreter =
        world.interpreter_over(event_log, Arc::new(Hurried::default()), &server.url(), "key".into()).unwrap();
    let draft = UncheckedRequest {
        repo_url: checkout.display().to_string(),
        prompt: "Count.".to_owned(),
        ..UncheckedRequest::default()
    };
    let request = draft.check("claude-sonnet-5-5").unwrap();
    let begin = Start { owner: "local".parse().unwrap(), request, setup: world.setup().unwrap(), key: None };
    let session = start(&world.services(), begin).await.unwrap().session;
    let outcome = drive_session(&world, &interpreter, &session.id, WaitPolicy::Release).await.unwrap().unwrap();
    assert_eq!(outcome, DriveOutcome::Ended(Status::Done), "{what}");

    let events = domain::read_all(&world.store, &session.id, Seq(0)).await.unwrap();
    let published = events.iter().find_map(|event| match &event.body {
        EventBody::BranchPublished(published) => Some(published),
        _ => None,
    });
    let published = published.unwrap();
    let branches = std::path::Path::new(published.url.trim_start_matches("file://"));
    let content = git(branches, &["show", &format!("{}:a.txt", published.branch)]);
    assert_eq!(content, "begin\n0\n1\n2\n3\n4\n5\n6\n7\n8", "the same change as without faults, {what}");

    let bill = server.bill();
    let replied: Vec<u64> = events
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::ModelReplied(replied) => Some(replied.cost.0),
            _ => None,
        })
        .collect();
    let whole: Vec<u64> = bill.iter().filter(|charge| charge.complete).map(sonnet).collect();
    assert_eq!(replied, whole, "every reply is paid once and to the micro-dollar, {what}");
    let settled: u64 = events
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::BudgetSettled(settled) => Some(settled.cost.0),
            _ => None,
        })
        .sum();
    // The client can only estimate what a broken reply cost: never less than the bill, and little more.
    let billed: u64 = bill.iter().map(sonnet).sum();
    let broken = bill.iter().filter(|charge| !charge.complete).count() as u64;
    assert!((billed..=billed + 300 * broken).contains(&settled), "{settled} for {billed}, {what}");
    let totals = events.iter().find_map(|event| match &event.body {
        EventBody::RunFinished(finished) => Some(finished.totals.cost.0),
        _ => None,
    });
    assert_eq!(totals, Some(settled), "{what}");
    server.shutdown().await;
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
