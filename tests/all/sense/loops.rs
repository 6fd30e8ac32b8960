//! Runs that go in circles: told first, then a person is asked, then they go on.

use serde_json::{Value, json};

use super::checkout;
use crate::support::{Home, bash, ends, script};

fn say(home: &Home, id: &str, text: &str) -> crate::support::Ran {
    let file = home.beside("script.json");
    home.run(&["--json", "sessions", "message", id, text, "--script", file.to_str().unwrap()])
}

#[test]
fn a_circle_is_told_then_a_person_is_asked_and_what_they_say_gets_it_out() {
    let home = Home::new();
    let mut turns: Vec<Value> = std::iter::repeat_n(bash("cat a.txt"), 8).collect();
    turns.extend([bash("echo two >> a.txt"), bash("cat a.txt"), bash("echo three >> a.txt"), ends()]);
    let waits = home.code(&checkout(&home), "Add.", &script(&turns), &[]).expect_code(3);
    let stuck = waits.of_kind("agent.stuck");
    assert_eq!(stuck.len(), 2, "told once, then asked");
    let told: Vec<Value> = waits.of_kind("user.message").into_iter().filter(|said| said["author"] == "nudge").collect();
    assert_eq!(told.len(), 1);
    assert!(told[0]["text"].as_str().unwrap().contains("the same result 4 times in a row"), "{told:?}");
    assert_eq!(told[0]["type"], "status", "it is not the user who says so");
    assert_eq!(waits.of_kind("wait.started")[0]["reason"]["for"], "stuck");
    assert_eq!(waits.of_kind("tool.result").len(), 8);
    let done = say(&home, &waits.session(), "Just write it.").expect_code(0);
    assert_eq!(done.of_kind("run.finished")[0]["status"], "done");
    assert!(done.of_kind("agent.stuck").is_empty(), "what a person says is a new beginning");
}

#[test]
fn failing_again_and_again_is_told_sooner() {
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
fn replies_that_come_to_no_end_are_told_and_then_a_person_is_asked() {
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
    let done = say(&home, &waits.session(), "Use the tools.").expect_code(0);
    assert_eq!(done.of_kind("run.finished")[0]["status"], "done");
}
