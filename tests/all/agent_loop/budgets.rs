//! Limits of a run: the warning before, the stop, the extension; and what a run costs when calls fail.

use domain::{Status, UncheckedLimits, UncheckedRequest};
use local::DriveOutcome;
use serde_json::{Value, json};

use super::{checkout, draft, run_script};
use crate::recovery::{kill_at, resume};
use crate::support::{Home, SessionRun, bash, ends, last_blocks, run_session, script, sonnet_price};

fn turns(commands: usize) -> Value {
    let mut turns: Vec<Value> = (0..commands).map(|n| bash(&format!("echo {n} >> a.txt"))).collect();
    turns.push(ends());
    script(&turns)
}

async fn limited(home: &Home, limits: UncheckedLimits, script: &Value) -> SessionRun {
    run_session(home, &checkout(home), UncheckedRequest { limits: Some(limits), ..draft() }, &[], script).await
}

fn sum(events: &[Value], field: &str) -> u64 {
    events.iter().map(|event| event[field].as_u64().unwrap()).sum()
}

#[tokio::test]
async fn the_model_is_warned_once_of_a_near_limit_after_the_results() {
    let home = Home::new();
    let limits = UncheckedLimits { max_turns: Some(6), ..UncheckedLimits::default() };
    let run = limited(&home, limits, &turns(5)).await;
    assert_eq!(run.outcome, DriveOutcome::Ended(Status::Done));
    let near = run.of_kind("budget.nearing");
    assert_eq!(near.len(), 1);
    assert_eq!((&near[0]["limit"], &near[0]["left"]), (&json!("turns"), &json!("2 of 6 turns are left")));
    let hinted: Vec<usize> = run
        .main_requests()
        .iter()
        .enumerate()
        .filter(|(_, request)| {
            last_blocks(request).iter().any(|block| block["text"].as_str().unwrap_or_default().contains("2 of 6 turns"))
        })
        .map(|(number, _)| number)
        .collect();
    assert_eq!(hinted, [4], "in the request for the fifth turn");
    let blocks = last_blocks(run.main_requests()[4]);
    assert_eq!(blocks.iter().map(|block| block["type"].as_str().unwrap()).collect::<Vec<_>>(), ["tool_result", "text"]);
}

#[tokio::test]
async fn the_model_is_warned_of_a_spent_budget_while_one_reply_can_be_paid() {
    // Figures of an unlimited run: what is reserved for a reply, and what the plan and the first turn cost.
    let home = Home::new();
    let figures = limited(&home, UncheckedLimits::default(), &turns(2)).await;
    let reserved = figures.of_kind("budget.reserved").last().unwrap()["amount"].as_u64().unwrap();
    let spent = sum(&figures.of_kind("budget.settled")[..2], "cost");

    let home = Home::new();
    let max_cost = (reserved * 3 / 2 + spent) as f64 / 1e6;
    let limits = UncheckedLimits { max_cost_usd: Some(max_cost), ..UncheckedLimits::default() };
    let run = limited(&home, limits, &turns(2)).await;
    assert_eq!(run.outcome, DriveOutcome::Ended(Status::Done));
    let near = run.of_kind("budget.nearing");
    assert_eq!((near.len(), &near[0]["limit"]), (1, &json!("cost")), "{near:?}");
}

#[tokio::test]
async fn the_limit_that_stopped_a_run_is_named() {
    for (limits, named) in [
        (UncheckedLimits { max_turns: Some(1), ..UncheckedLimits::default() }, "turns"),
        (UncheckedLimits { max_cost_usd: Some(0.0001), ..UncheckedLimits::default() }, "cost"),
    ] {
        let home = Home::new();
        let run = limited(&home, limits, &turns(2)).await;
        assert_eq!(run.outcome, DriveOutcome::AwaitingUser);
        assert_eq!(run.of_kind("budget.exhausted")[0]["which"], named);
        let wait = run.of_kind("wait.started").remove(0);
        assert_eq!((&wait["reason"]["for"], &wait["reason"]["which"]), (&json!("budget"), &json!(named)));
        // Ends the wait, so that its sandbox is removed.
        let id = wait["sessionId"].as_str().unwrap();
        home.run(&["--json", "sessions", "cancel", id]).expect_code(0);
    }
}

#[test]
fn the_warning_is_repeated_when_an_extended_limit_is_near_again() {
    let home = Home::new();
    let waits = home.code(&checkout(&home), "Add.", &turns(5), &["--max-turns", "3"]).expect_code(3);
    assert_eq!(waits.of_kind("budget.nearing").len(), 1);
    let done = home.sessions(&["extend", &waits.session(), "--turns", "3"]).expect_code(0);
    assert_eq!(done.of_kind("budget.nearing")[0]["left"], "2 of 6 turns are left");
    assert_eq!(done.of_kind("run.finished")[0]["totals"]["turns"], 6);
}

#[tokio::test]
async fn a_broken_reply_is_retried_and_every_request_is_settled_once() {
    for kind in ["cut", "errorEvent"] {
        let home = Home::new();
        let mut broken = bash("echo two >> a.txt");
        broken["fault"] = json!({ "kind": kind, "times": 2 });
        let run = run_script(&home, &script(&[broken, bash("echo three >> a.txt"), ends()]), &[]).await;
        assert_eq!(run.outcome, DriveOutcome::Ended(Status::Done), "{kind}");
        let (reserved, settled) = (run.of_kind("budget.reserved"), run.of_kind("budget.settled"));
        let calls = |events: &[Value]| events.iter().map(|event| event["call"].to_string()).collect::<Vec<_>>();
        assert_eq!(calls(&reserved), calls(&settled), "{kind}");
        assert_eq!(reserved.len(), run.requests.len(), "one reservation for one request, {kind}");
        let totals = &run.of_kind("run.finished")[0]["totals"];
        assert_eq!(totals["cost"].as_u64(), Some(sum(&settled, "cost")), "{kind}");
        assert_eq!(totals["turns"], 3, "a broken reply is no turn, {kind}");
        assert_eq!(run.of_kind("tool.result").len(), 2, "{kind}");
        let billed = |complete: bool| {
            run.bill.iter().filter(|charge| charge.complete == complete).map(sonnet_price).sum::<u64>()
        };
        assert!(billed(false) > 0, "the broken replies are billed, {kind}");
        assert!(sum(&settled, "cost") >= billed(true) + billed(false), "at least what was billed, {kind}");
    }
}

#[test]
fn a_call_with_an_unknown_outcome_costs_what_was_reserved() {
    let home = Home::new();
    let mut stalls = bash("echo two >> a.txt");
    stalls["fault"] = json!({ "kind": "stall", "times": 1 });
    let session = kill_at(&home, &script(&[stalls, ends()]), |event| {
        event["kind"] == "turn.started" && event["call"]["conversation"] == "main"
    });
    home.write("script.json", &script(&[bash("echo two >> a.txt"), ends()]).to_string());
    let done = resume(&home, &session).expect_code(0);
    let events = home.events(&session);
    let (reserved, settled) = (events.of_kind("budget.reserved"), events.of_kind("budget.settled"));
    let open: Vec<&Value> =
        reserved.iter().filter(|one| !settled.iter().any(|other| other["call"] == one["call"])).collect();
    assert_eq!(open.len(), 1, "the call whose end was not recorded");
    let expected = sum(&settled, "cost") + open[0]["amount"].as_u64().unwrap();
    assert_eq!(done.of_kind("run.finished")[0]["totals"]["cost"].as_u64(), Some(expected));
}
