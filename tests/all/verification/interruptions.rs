//! Checks that are interrupted: by a cancel, by the death of the program, by the loss of their sandbox.

use serde_json::{Value, json};

use super::{outcomes, planned, with_tests};
use crate::recovery::resume;
use crate::support::{Home, bash, ends};

/// Starts a session whose check waits for a file, and waits until the check runs. Returns the program and the sandbox's directory.
fn start(home: &Home) -> (crate::support::RunningProgram, String, std::path::PathBuf) {
    let checkout = with_tests(home, "echo begun >> begun; while [ ! -e go ]; do sleep 0.05; done");
    let turns = [bash("echo begun > .gitignore; echo go >> .gitignore; echo two >> a.txt"), ends(), ends()];
    let mut program = home.start_code(&checkout, "Do it.", &planned(&["make test"], &turns));
    let started = program.find(|event| event["kind"] == "check.started").expect("no check was started");
    let sandbox = home.beside("data/sandboxes").join(started["sandbox"].as_str().unwrap());
    while !sandbox.join("workspace/begun").exists() {
        std::thread::yield_now();
    }
    (program, started["sessionId"].as_str().unwrap().to_owned(), sandbox)
}

#[test]
fn a_cancel_ends_a_check_that_runs() {
    let home = Home::new();
    let (mut program, session, _) = start(&home);
    home.sessions(&["cancel", &session, "--keep-branch"]);
    let finished = program.find(|event| event["kind"] == "run.finished").expect("the run did not end");
    assert_eq!(finished["status"], "cancelled");
    assert_eq!(program.exit_code(), 4);
    assert_eq!(home.events(&session).branch().file("a.txt"), "one\ntwo");
}

#[test]
fn a_check_whose_program_died_is_not_run_again_in_the_same_sandbox() {
    let home = Home::new();
    let (mut program, session, _) = start(&home);
    program.kill();
    let run = resume(&home, &session);
    assert_eq!(run.code, 0, "{}", run.stdout);
    let events = home.events(&session);
    let started: Vec<Value> =
        events.of_kind("check.started").iter().map(|started| started["subject"].clone()).collect();
    assert_eq!(started, [json!("change")]);
    assert_eq!(outcomes(&events), [("make test".to_owned(), "not_run".to_owned())]);
    assert_eq!(events.branch().file("a.txt"), "one\ntwo");
}
