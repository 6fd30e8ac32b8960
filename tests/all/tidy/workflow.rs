//! The workflow's definition and the domain speak of the same things.

use std::collections::BTreeSet;

use asl::{StateKind, StateMachine};
use domain::{ErrorCode, Step, Verdict};
use serde_json::Value;

use super::top;

fn definition() -> String {
    std::fs::read_to_string(top().join("infra/statemachine/session.asl.json")).unwrap()
}

fn machine() -> StateMachine {
    StateMachine::parse(&definition(), |name| Some(name.to_owned())).unwrap()
}

#[test]
fn the_tasks_of_the_definition_are_the_steps() {
    let machine = machine();
    let tasks: BTreeSet<(String, String)> = machine
        .states()
        .filter_map(|state| Some((state.name().to_owned(), state.task()?.resource().to_owned())))
        .collect();
    let steps: BTreeSet<(String, String)> =
        Step::ALL.iter().map(|step| (step.state().to_owned(), format!("${{{}Function}}", step.state()))).collect();
    assert_eq!(tasks, steps);
}

#[test]
fn every_task_but_finish_has_a_catch_for_everything_that_leads_to_finish() {
    let machine = machine();
    for state in machine.states() {
        let Some(task) = state.task() else { continue };
        let last = task.catches().last();
        if state.name() == Step::Finish.state() {
            assert!(last.is_none(), "finish must not catch its own errors");
            continue;
        }
        let last = last.unwrap_or_else(|| panic!("{} has no Catch", state.name()));
        assert_eq!(last.error_equals(), ["States.ALL"], "{}", state.name());
        assert_eq!(last.next(), Step::Finish.state(), "{}", state.name());
    }
}

#[test]
fn every_terminal_code_is_tried_once_by_every_task_that_is_tried_again() {
    let codes: BTreeSet<&str> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
    for state in machine().states() {
        let Some(task) = state.task() else { continue };
        let once: BTreeSet<&str> = task
            .retries()
            .iter()
            .filter(|retry| retry.max_attempts() == 0)
            .flat_map(|retry| retry.error_equals())
            .map(String::as_str)
            .filter(|name| !name.starts_with("States."))
            .collect();
        if state.name() == Step::Finish.state() {
            continue;
        }
        assert_eq!(once, codes, "{}", state.name());
    }
}

#[test]
fn every_verdict_that_does_not_end_a_run_is_routed_and_no_other() {
    let parsed: Value = serde_json::from_str(&definition()).unwrap();
    let routed: BTreeSet<String> = parsed["States"]["Verdict"]["Choices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|choice| choice["StringEquals"].as_str().unwrap().to_owned())
        .collect();
    let all = [
        "prepare",
        "plan",
        "turn",
        "tools",
        "await",
        "wait",
        "publish",
        "done",
        "nothing",
        "rejected",
        "expired",
        "cancelled",
        "failed",
    ];
    let going_on: BTreeSet<String> = all
        .into_iter()
        .filter(|name| !serde_json::from_value::<Verdict>(Value::from(*name)).unwrap().ends())
        .map(str::to_owned)
        .collect();
    assert_eq!(routed, going_on);
    assert_eq!(parsed["States"]["Verdict"]["Default"], "Finish");
}

#[test]
fn every_task_has_a_time_out_and_every_wait_an_end() {
    for state in machine().states() {
        match state.kind() {
            StateKind::Task => {
                let task = state.task().unwrap();
                // Only the wait for a person takes its time-out from the verdict.
                assert_eq!(task.timeout().is_none(), state.name() == Step::AwaitUser.state(), "{}", state.name());
            }
            StateKind::Choice | StateKind::Pass | StateKind::Wait | StateKind::Succeed | StateKind::Fail => {}
        }
    }
}
