//! The workflow's definition and the domain speak of the same things.

use std::collections::BTreeSet;

use asl::{StateKind, StateMachine};
use domain::{ErrorCode, FUNCTION_TIMEOUT, Step, StepError, TASK_MARGIN, Verdict};
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
fn every_task_but_finish_has_a_catch_for_everything() {
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
        // What is stored of the work is published first, unless it was the publication that failed.
        let next = if state.name() == Step::OpenPr.state() { Step::Finish.state() } else { "Rescue" };
        assert_eq!(last.next(), next, "{}", state.name());
    }
}

#[test]
fn every_task_retries_each_type_of_error_as_long_as_it_should() {
    for state in machine().states() {
        let Some(task) = state.task() else { continue };
        let policy = |error: &str| {
            let first = task.retries().iter().find(|retry| retry.error_equals().iter().any(|name| name == error));
            first.unwrap_or_else(|| panic!("{} does not name {error}", state.name())).max_attempts()
        };
        assert_eq!((policy("Terminal"), policy("Stale")), (0, 0), "{}", state.name());
        // With full jitter a delay of at most a minute takes half of it on average: 45 outlast ten minutes by far.
        for outage in ["Unavailable", "Throttled", "Lambda.TooManyRequestsException"] {
            assert!(policy(outage) >= 45, "{} gives up on {outage} too early", state.name());
        }
        assert!(policy("States.ALL") > 0, "{}", state.name());
    }
}

#[test]
fn every_error_of_a_step_is_of_a_type_that_the_definition_names() {
    let named: BTreeSet<String> = machine()
        .states()
        .filter_map(|state| state.task())
        .flat_map(|task| task.retries())
        .flat_map(|retry| retry.error_equals().to_vec())
        .collect();
    let unavailable = domain::Unavailable::new(domain::Dependency::EventLog, "gone");
    let terminal = ErrorCode::ALL.iter().map(|code| StepError::terminal(*code, "over"));
    for error in terminal.chain([StepError::Retryable(unavailable)]) {
        assert!(named.contains(error.error_type()), "{error:?}");
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
        "verify",
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
        .filter(|name| !serde_json::from_value::<Verdict>(Value::from(*name)).unwrap().is_terminal())
        .map(str::to_owned)
        .collect();
    assert_eq!(routed, going_on);
    assert_eq!(parsed["States"]["Verdict"]["Default"], "Finish");
}

#[test]
fn every_task_is_told_which_invocation_it_is() {
    let parsed: Value = serde_json::from_str(&definition()).unwrap();
    for (name, state) in parsed["States"].as_object().unwrap().iter().filter(|(_, state)| state["Type"] == "Task") {
        let parameters = &state["Parameters"];
        let input = if parameters["Payload"].is_null() { parameters } else { &parameters["Payload"] };
        assert_eq!(input["entered.$"], "$$.State.EnteredTime", "{name}");
        assert_eq!(input["retry.$"], "$$.State.RetryCount", "{name}");
    }
}

#[test]
fn every_task_has_a_time_out_and_every_wait_an_end() {
    for state in machine().states() {
        match state.kind() {
            StateKind::Task => {
                let task = state.task().unwrap();
                // Only the wait for a person takes its time-out from the verdict.
                let expected = (state.name() != Step::AwaitUser.state()).then_some(FUNCTION_TIMEOUT + TASK_MARGIN);
                assert_eq!(task.timeout(), expected, "{}", state.name());
            }
            StateKind::Choice | StateKind::Pass | StateKind::Wait | StateKind::Succeed | StateKind::Fail => {}
        }
    }
}
