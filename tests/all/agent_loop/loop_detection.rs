//! Runs that repeat themselves: the model is told first, then the user is asked, and the answer resumes the run.

use serde_json::{Value, json};

use super::checkout;
use crate::support::{Home, bash, ends, script};

#[test]
fn the_model_is_told_of_a_loop_then_the_user_is_asked() {
    let home = Home::new();
    let mut turns: Vec<Value> = std::iter::repeat_n(bash("cat a.txt"), 8).collect();
    turns.extend([bash("echo two >> a.txt"), bash("cat a.txt"), bash("echo three >> a.txt"), ends()]);
    let waits = home.code(&checkout(&home), "Add.", &script(&turns), &[]).expect_code(3);
    let stuck = waits.of_kind("agent.stuck");
    assert_eq!(stuck.len(), 2, "the model is told once, then the user is asked");
    let mut nudges = waits.of_kind("user.message");
    nudges.retain(|message| message["author"] == "nudge");
    assert_eq!(nudges.len(), 1);
    assert!(nudges[0]["text"].as_str().unwrap().contains("the same result 4 times in a row"), "{nudges:?}");
    assert_eq!(nudges[0]["type"], "status", "the user did not write it");
    assert_eq!(waits.of_kind("wait.started")[0]["reason"]["for"], "stuck");
    assert_eq!(waits.of_kind("tool.result").len(), 8);
    let done = home.sessions(&["message", &waits.session(), "Just write it."]).expect_code(0);
    assert_eq!(done.final_status(), "done");
    assert!(done.of_kind("agent.stuck").is_empty(), "a message of the user resets the detection");
}

#[test]
fn a_loop_of_failures_is_reported_sooner() {
    let home = Home::new();
    let mut turns: Vec<Value> = std::iter::repeat_n(bash("date +%N; cat missing.txt"), 3).collect();
    let others = ["ls no-1", "ls no-2", "ls no-3"].map(bash);
    turns.extend(others);
    turns.extend([bash("echo two >> a.txt"), ends()]);
    let done = home.code(&checkout(&home), "Add.", &script(&turns), &[]).expect_code(0);
    let stuck = done.of_kind("agent.stuck");
    assert_eq!(stuck.len(), 1);
    assert!(stuck[0]["reason"].as_str().unwrap().starts_with("the same call failed 3 times in a row"), "{stuck:?}");
}

#[test]
fn the_user_is_asked_when_replies_are_cut_off_again_and_again() {
    let home = Home::new();
    let cut = json!({ "text": "I will now think about what I would write, and then", "stop": "max_tokens" });
    let mut turns: Vec<Value> = std::iter::repeat_n(cut, 4).collect();
    turns.extend([bash("echo two >> a.txt"), ends()]);
    let waits = home.code(&checkout(&home), "Add.", &script(&turns), &[]).expect_code(3);
    let reasons: Vec<Value> = waits.of_kind("agent.stuck").into_iter().map(|stuck| stuck["reason"].clone()).collect();
    assert_eq!(
        reasons,
        [
            "3 replies in a row were incomplete and called no tool",
            "4 replies in a row were incomplete and called no tool"
        ]
    );
    assert_eq!(waits.of_kind("wait.started")[0]["reason"]["for"], "stuck");
    let done = home.sessions(&["message", &waits.session(), "Use the tools."]).expect_code(0);
    assert_eq!(done.final_status(), "done");
}
