//! What the loop does with each stop reason of a reply.

use domain::{ModelRetrying, RetryCause, Seq, Status};
use local::DriveOutcome;
use serde_json::{Value, json};

use super::{checkout, run_script};
use crate::support::{Home, bash, ends, event, last_blocks, script, session_id, tools};

#[tokio::test]
async fn a_call_in_a_cut_reply_is_not_run_and_a_longer_reply_is_requested() {
    let mut cut = tools(&[
        ("bash", json!({ "command": "echo two >> a.txt" })),
        ("bash", json!({ "command": "echo wrong, wrong, wrong, wrong, wrong >> a.txt" })),
    ]);
    cut["stop"] = json!("max_tokens");
    let home = Home::new();
    let run = run_script(&home, &script(&[cut, bash("cat a.txt"), ends()]), &[("MAX_TOKENS", "2000")]).await;
    assert_eq!(run.outcome, DriveOutcome::Ended(Status::Done));
    let max_tokens: Vec<&Value> = run.main_requests().iter().map(|request| &request["max_tokens"]).collect();
    assert_eq!(max_tokens, [2000, 4000, 2000]);
    let results = last_blocks(run.main_requests()[1]);
    assert_eq!((results.len(), &results[1]["is_error"]), (2, &json!(true)));
    assert!(results[1]["content"].as_str().unwrap().contains("was not run"), "{results:?}");
    assert_eq!(run.of_kind("tool.result")[2]["output"], "one\ntwo\n");
}

#[tokio::test]
async fn a_very_long_reply_is_stored_outside_the_log_and_sent_back_whole() {
    let long = "All work and no play. ".repeat(5000);
    let mut turn = bash("echo two >> a.txt");
    turn["text"] = json!(long);
    let home = Home::new();
    let run = run_script(&home, &script(&[turn, json!({ "text": long })]), &[]).await;
    assert_eq!(run.outcome, DriveOutcome::Ended(Status::Done));
    let message = &run.of_kind("ai.message")[0];
    assert_eq!(message["text"]["bytes"].as_u64(), Some(long.len() as u64), "{message}");
    let sent = &run.main_requests()[1]["messages"][1]["content"][0]["text"];
    assert!(*sent == json!(long), "the reply is sent back as it was received");
    let page = run.of_kind("run.finished")[0]["pr_url"].as_str().unwrap().trim_start_matches("file://").to_owned();
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.len() < 65_536 && page.contains("(Cut here;"), "{} bytes", page.len());
}

#[tokio::test]
async fn a_paused_reply_is_continued() {
    let pause = json!({ "text": "One moment.", "stop": "pause_turn" });
    let home = Home::new();
    let run = run_script(&home, &script(&[pause, bash("echo two >> a.txt"), ends()]), &[]).await;
    assert_eq!(run.outcome, DriveOutcome::Ended(Status::Done));
    assert_eq!(last_blocks(run.main_requests()[1])[0]["text"], "Continue.");
}

#[test]
fn a_refusal_ends_the_run_and_its_calls_are_never_run() {
    let mut refuses = bash("echo wrong >> a.txt");
    refuses["text"] = json!("I would rather not.");
    refuses["stop"] = json!("refusal");
    let home = Home::new();
    let script = script(&[refuses, bash("echo two >> a.txt; cat a.txt"), ends()]);
    let refused = home.code(&checkout(&home), "Add.", &script, &[]).expect_code(1);
    assert_eq!(refused.of_kind("ai.message")[0]["message"], "I would rather not.");
    let error = refused.of_kind("session.error").remove(0);
    assert_eq!(error["code"], "ModelRefusal");
    assert!(error["message"].as_str().unwrap().contains("I would rather not."), "{error}");

    let done = home.sessions(&["message", &refused.session(), "In another way, then."]).expect_code(0);
    assert_eq!(done.of_kind("tool.result")[0]["output"], "one\ntwo\n");
}

#[test]
fn a_pending_call_of_an_ended_run_is_answered_as_not_run() {
    let home = Home::new();
    let asks = tools(&[("ask_user", json!({ "question": "Shall I?" }))]);
    let reacts = json!({
        "text": "It was run.",
        "when": [{
            "if": { "resultContains": "not run because its run ended first" },
            "text": "It was not run.",
            "tools": [{ "name": "bash", "input": { "command": "echo two >> a.txt" } }],
        }],
    });
    let waits = home.code(&checkout(&home), "Add.", &script(&[asks, reacts, ends()]), &[]).expect_code(3);
    let id = waits.session();
    home.run(&["--json", "sessions", "cancel", &id]).expect_code(0);
    let done = home.sessions(&["message", &id, "Go ahead."]).expect_code(0);
    assert_eq!(done.of_kind("ai.message")[0]["message"], "It was not run.");
    assert_eq!(done.final_status(), "done");
}

#[test]
fn a_pause_is_shown_with_the_time_of_the_next_retry() {
    let call = serde_json::from_value(json!({ "conversation": "main", "turn": 3, "attempt": 1 })).unwrap();
    let message = |cause, in_seconds| {
        let reason = "Number of requests has exceeded your rate limit".to_owned();
        let retrying = ModelRetrying { call, reason, cause, in_seconds, next_max_tokens: None, window_tokens: None };
        domain::public_event(&session_id(1), &event(Seq(1), retrying))["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        message(RetryCause::Pause, 90),
        "Rate limited (Number of requests has exceeded your rate limit), retry at 2026-11-22T10:01:30Z"
    );
    assert!(message(RetryCause::Failure, 4).ends_with("; retry at 2026-11-22T10:00:04Z"));
    assert!(message(RetryCause::Failure, 0).ends_with("; retrying"));
}
