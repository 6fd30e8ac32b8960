//! Requests that the model's service refuses: what is asked for instead, and how a session goes on.

use domain::{ErrorCode, Status};
use local::DriveOutcome;
use serde_json::{Value, json};

use super::{checkout, run_script};
use crate::support::{Home, SessionRun, bash, ends, last_blocks, plan, script};

const FILTERED: &str = "Output blocked by content filtering policy";

/// Opens every conversation but the first.
const RECAP: &str = "# Where the work stands";

fn faulty(mut turn: Value, fault: &Value) -> Value {
    turn["fault"] = fault.clone();
    turn
}

fn refused(status: u16, message: &str, times: u32) -> Value {
    json!({ "kind": "status", "status": status, "message": message, "times": times })
}

/// A conversation whose second request is refused, and the one after it.
fn continued(fault: &Value) -> Value {
    json!({ "scripts": [
        { "match": RECAP, "turns": [bash("echo three >> a.txt"), ends()] },
        { "plan": plan("Add"), "turns": [bash("echo two >> a.txt"), faulty(json!({ "text": "Never said." }), fault)] },
    ]})
}

fn max_tokens(run: &SessionRun) -> Vec<u64> {
    run.main_requests().iter().map(|request| request["max_tokens"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_conversation_that_the_service_does_not_take_continues_in_a_new_one() {
    let sum = "input length and `max_tokens` exceed context limit: 196000 + 32000 > 200000, decrease input length or \
               `max_tokens` and try again";
    for (fault, retries) in [
        (refused(413, "Request exceeds the maximum size", 9), 0),
        (refused(400, sum, 9), 0),
        (refused(400, "messages.1.content.0: of a kind that nobody knows", 9), 1),
        (json!({ "kind": "errorObject", "status": 413, "times": 9 }), 0),
    ] {
        let home = Home::new();
        let run = run_script(&home, &continued(&fault), &[]).await;
        assert_eq!(run.outcome, DriveOutcome::Ended(Status::Done), "{fault}");
        assert_eq!(run.branch().file("a.txt"), "one\ntwo\nthree", "{fault}");
        assert_eq!(run.of_kind("context.changed").len(), 1, "{fault}");
        let retrying = run.of_kind("model.retrying");
        assert_eq!(retrying.len(), retries, "{fault}");
        assert!(retrying.iter().all(|retrying| retrying["cause"] == "refused"), "{retrying:?}");
        let opening = last_blocks(run.main_requests()[2]).remove(0);
        assert!(opening["text"].as_str().unwrap().contains("echo two >> a.txt"), "{opening}");
    }
}

#[tokio::test]
async fn a_reply_that_would_exceed_the_window_is_asked_for_shorter_once() {
    let window = json!({ "kind": "window", "windowTokens": 33_000 });
    let mut turns: Vec<Value> = (0..3).map(|n| faulty(bash(&format!("echo {n} >> a.txt")), &window)).collect();
    turns.push(faulty(ends(), &window));
    let home = Home::new();
    let run = run_script(&home, &script(&turns), &[]).await;
    assert_eq!(run.outcome, DriveOutcome::Ended(Status::Done));
    let retrying = run.of_kind("model.retrying");
    assert_eq!(retrying.len(), 1, "the window is known from then on: {retrying:?}");
    assert_eq!(retrying[0]["windowTokens"], 33_000);
    let asked = max_tokens(&run);
    assert_eq!((asked.len(), asked[0]), (5, 32_000));
    assert_eq!(retrying[0]["nextMaxTokens"], asked[1]);
    assert!(asked[1..].windows(2).all(|pair| pair[0] > pair[1] && pair[1] > 10_000), "{asked:?}");
}

#[tokio::test]
async fn a_conversation_is_compacted_by_the_window_that_the_service_stated() {
    let window = json!({ "kind": "window", "windowTokens": 36_000 });
    let mut turns: Vec<Value> =
        (0..5).map(|n| faulty(bash(&format!("seq {n} 4000 | head -c 16000")), &window)).collect();
    turns.push(faulty(json!({ "text": "Line two is missing." }), &window));
    let home = Home::new();
    let script = json!({ "scripts": [
        { "match": "Line two is missing.", "turns": [faulty(bash("echo two >> a.txt"), &window), ends()] },
        { "plan": plan("Add"), "turns": turns },
    ]});
    let run = run_script(&home, &script, &[]).await;
    assert_eq!(run.outcome, DriveOutcome::Ended(Status::Done));
    assert_eq!(run.branch().file("a.txt"), "one\ntwo");
    assert_eq!((run.of_kind("context.changed").len(), run.of_kind("model.retrying").len()), (1, 1));
}

#[tokio::test]
async fn without_a_count_the_limit_is_halved() {
    let fault = refused(400, "input length and `max_tokens` exceed context limit", 2);
    let home = Home::new();
    let turns = [faulty(bash("echo two >> a.txt"), &fault), ends()];
    let run = run_script(&home, &script(&turns), &[]).await;
    assert_eq!(run.outcome, DriveOutcome::Ended(Status::Done));
    assert_eq!(max_tokens(&run), [32_000, 16_000, 8_000, 32_000]);
}

#[tokio::test]
async fn a_filtered_reply_is_asked_for_again() {
    for fault in [
        refused(400, FILTERED, 2),
        json!({ "kind": "errorEvent", "status": 400, "message": FILTERED, "times": 2 }),
        json!({ "kind": "errorEvent", "status": 500, "message": FILTERED, "times": 2 }),
    ] {
        let home = Home::new();
        let run = run_script(&home, &script(&[faulty(bash("echo two >> a.txt"), &fault), ends()]), &[]).await;
        assert_eq!(run.outcome, DriveOutcome::Ended(Status::Done), "{fault}");
        let causes: Vec<Value> = run.of_kind("model.retrying").iter().map(|event| event["cause"].clone()).collect();
        assert_eq!(causes, ["filtered", "filtered"], "{fault}");
        let settled: u64 = run.of_kind("budget.settled").iter().map(|event| event["cost"].as_u64().unwrap()).sum();
        assert_eq!(run.of_kind("run.finished")[0]["totals"]["cost"].as_u64(), Some(settled), "{fault}");
    }
}

/// A message after a refused run opens a conversation that has a recap and the message.
fn goes_on_by_a_message(home: &Home, script: &Value, code: ErrorCode) {
    let failed = home.code(&checkout(home), "Add two and three.", script, &[]).expect_code(1);
    let error = failed.of_kind("session.error").remove(0);
    assert_eq!(error["code"], code.name());
    assert!(!error["remedy"].as_str().unwrap().contains("defect"), "{error}");
    let done = home.sessions(&["message", &failed.session(), "In another way, then."]).expect_code(0);
    let changed = done.of_kind("context.changed").remove(0);
    assert!(changed["reason"].as_str().unwrap().contains("service refused it"), "{changed}");
    assert_eq!(done.of_kind("ai.message").pop().unwrap()["message"], "In another way it is.");
    assert_eq!(done.final_status(), "done");
}

#[test]
fn a_session_whose_request_was_refused_goes_on_by_a_message() {
    for (fault, code) in [
        (refused(400, "messages.1: of a kind that nobody knows", 99), ErrorCode::ModelRefusedRequest),
        (refused(400, FILTERED, 99), ErrorCode::ModelFiltered),
        (refused(413, "Request exceeds the maximum size", 99), ErrorCode::ContextExhausted),
    ] {
        let never = || faulty(json!({ "text": "Never said." }), &fault);
        let answer = json!({ "text": "In another way it is." });
        let home = Home::new();
        let script = json!({ "scripts": [
            { "match": "In another way, then.", "turns": [bash("echo three >> a.txt"), answer] },
            { "match": RECAP, "turns": [never()] },
            { "plan": plan("Add"), "turns": [bash("echo two >> a.txt"), never()] },
        ]});
        goes_on_by_a_message(&home, &script, code);
    }
}

#[test]
fn a_session_whose_first_request_was_refused_goes_on_without_its_opening() {
    let never = faulty(json!({ "text": "Never said." }), &refused(400, "messages.0: not like this", 99));
    let answer = json!({ "text": "In another way it is." });
    let home = Home::new();
    // The words with which an opening ends that has no recap.
    let twice =
        json!({ "if": { "userContains": "Deviate from it where the code requires it.\n# Task" }, "text": "Twice." });
    let mut works = bash("echo two >> a.txt");
    works["when"] = json!([twice]);
    let script = json!({ "scripts": [
        { "match": RECAP, "turns": [works, answer] },
        { "plan": plan("Add"), "turns": [never] },
    ]});
    goes_on_by_a_message(&home, &script, ErrorCode::ModelRefusedRequest);
}
