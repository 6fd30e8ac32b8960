use asl::{End, Failure, Position, RunError, StateMachine, TaskAnswer};
use serde_json::json;

use crate::support::{Act, Crash, Reply, World, block_on, machine};

fn definition() -> StateMachine {
    machine(json!({ "StartAt": "Work", "States": {
        "Work": { "Type": "Task", "Resource": "f", "TimeoutSeconds": 30, "ResultPath": "$.work", "Next": "Look",
            "Retry": [{ "ErrorEquals": ["X"], "IntervalSeconds": 4, "MaxAttempts": 2 }] },
        "Look": { "Type": "Choice", "Choices": [{ "Variable": "$.work", "StringEquals": "done", "Next": "Rest" }], "Default": "Lost" },
        "Lost": { "Type": "Fail" },
        "Rest": { "Type": "Wait", "Seconds": 50, "Next": "Ask" },
        "Ask": { "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken", "TimeoutSeconds": 60,
            "Parameters": { "FunctionName": "ask", "Payload": { "token.$": "$$.Task.Token" } }, "ResultPath": "$.asked", "Next": "Shape" },
        "Shape": { "Type": "Pass", "Parameters": { "all.$": "$", "start.$": "$$.Execution.StartTime" }, "Next": "Done" },
        "Done": { "Type": "Succeed" } } }))
}

fn world() -> std::sync::Arc<World> {
    // The last response repeats, because a crash after a task makes its call come again.
    let work = vec![Act::Fail("X"), Act::Return(json!("done"))];
    let yes = Reply::Answer(TaskAnswer::Success { output: json!("yes") });
    World::new([("Work", work), ("Ask", vec![Act::Return(json!(0))])]).replies([yes])
}

#[test]
fn a_crash_at_any_save_changes_nothing_but_the_number_of_calls() {
    let input = json!({ "id": 1 });
    let uninterrupted = world();
    let end = uninterrupted.run(&definition(), input.clone()).unwrap();
    let saves = uninterrupted.saved.lock().unwrap().len();
    assert_eq!(uninterrupted.entered(), ["Work", "Work", "Look", "Rest", "Ask", "Shape", "Done"]);
    assert!(matches!(end, End::Succeeded { .. }));

    for crash in (0..saves).flat_map(|at| [Crash::Before(at), Crash::After(at)]) {
        let world = world();
        *world.crash.lock().unwrap() = Some(crash);
        let crashed = world.run(&definition(), input.clone());
        assert!(matches!(crashed, Err(RunError::Store(_))), "{crash:?}");
        *world.crash.lock().unwrap() = None;
        assert_eq!(world.run(&definition(), input.clone()).unwrap(), end, "{crash:?}");
        let mut entered = world.entered();
        // A crash before the save of the retry loses the failed attempt with it.
        entered.dedup();
        assert_eq!(entered, ["Work", "Look", "Rest", "Ask", "Shape", "Done"], "{crash:?}");
    }
}

#[test]
fn a_resumed_wait_waits_only_for_the_rest() {
    let world = world();
    *world.crash.lock().unwrap() = Some(Crash::After(3));
    world.run(&definition(), json!({})).unwrap_err();
    let before = world.elapsed();
    world.advance(20);
    *world.crash.lock().unwrap() = None;
    block_on(world.interpreter(&definition()).resume("e")).unwrap();
    assert_eq!(world.elapsed(), before + 50);
}

#[test]
fn a_resumed_task_is_told_the_same_entry_and_retry_as_before() {
    let parameters = json!({ "entered.$": "$$.State.EnteredTime", "retry.$": "$$.State.RetryCount" });
    let definition = machine(json!({ "StartAt": "Work", "States": {
        "Work": { "Type": "Task", "Resource": "f", "TimeoutSeconds": 30, "Parameters": parameters, "End": true,
            "Retry": [{ "ErrorEquals": ["X"], "IntervalSeconds": 4, "MaxAttempts": 2 }] } } }));
    // The save after the entry, and the one after the first failure.
    for (saves, retry) in [(0, 0), (1, 1)] {
        let world = World::new([("Work", vec![Act::Fail("X"), Act::Return(json!("done"))])]);
        world.advance(7);
        *world.crash.lock().unwrap() = Some(Crash::After(saves));
        world.run(&definition, json!({})).unwrap_err();
        *world.crash.lock().unwrap() = None;
        world.advance(20);
        let before = world.calls.lock().unwrap().len();
        block_on(world.interpreter(&definition).resume("e")).unwrap();
        let resumed = world.calls.lock().unwrap()[before].input.clone();
        assert_eq!(resumed, json!({ "entered": "1970-01-01T00:00:07.000Z", "retry": retry }));
    }
}

#[test]
fn an_execution_name_is_used_once() {
    let world = world();
    let first = world.run(&definition(), json!({ "id": 1 })).unwrap();
    let calls = world.called().len();
    assert_eq!(world.run(&definition(), json!({ "id": 1 })).unwrap(), first);
    assert_eq!(world.called().len(), calls);
    let other = world.run(&definition(), json!({ "id": 2 }));
    assert!(matches!(other, Err(RunError::ExecutionAlreadyExists(_))));
    let unknown = block_on(world.interpreter(&definition()).resume("f"));
    assert!(matches!(unknown, Err(RunError::ExecutionDoesNotExist(_))));
    let bad = block_on(world.interpreter(&definition()).run("../e", json!({})));
    assert!(matches!(bad, Err(RunError::InvalidName(_))));
}

#[test]
fn a_stopped_execution_stays_stopped() {
    let world = world();
    *world.crash.lock().unwrap() = Some(Crash::After(2));
    world.run(&definition(), json!({})).unwrap_err();
    *world.crash.lock().unwrap() = None;
    let stopped = block_on(world.interpreter(&definition()).stop("e", Failure::new("Stopped", "by hand")));
    assert_eq!(stopped.unwrap(), End::Aborted(Failure::new("Stopped", "by hand")));
    let end = world.run(&definition(), json!({})).unwrap();
    assert!(matches!(end, End::Aborted(_)));
    let again = block_on(world.interpreter(&definition()).stop("e", Failure::new("Twice", "")));
    assert_eq!(again.unwrap(), end);
}

#[test]
fn a_state_missing_from_the_definition_is_an_error_and_not_an_end() {
    let world = world();
    *world.crash.lock().unwrap() = Some(Crash::After(2));
    world.run(&definition(), json!({})).unwrap_err();
    *world.crash.lock().unwrap() = None;
    let other = machine(json!({ "StartAt": "Done", "States": { "Done": { "Type": "Succeed" } } }));
    assert!(matches!(world.run(&other, json!({})), Err(RunError::UnknownState { .. })));
    assert!(world.run(&definition(), json!({})).is_ok());
}

/// Positions outlive the program that stored them, so their JSON must stay readable.
#[test]
fn stored_positions_keep_their_json_names() {
    for place in [
        json!({ "in": { "state": "Ask", "input": 1, "enteredAt": "1970-01-01T00:00:02Z", "retries": [0, 1],
            "retryAt": "1970-01-01T00:00:03Z", "token": "t" } }),
        json!({ "ended": { "status": "succeeded", "output": 2 } }),
        json!({ "ended": { "status": "failed", "error": "E", "cause": "C" } }),
    ] {
        let stored = json!({ "input": 1, "startedAt": "1970-01-01T00:00:01Z", "place": place });
        let position: Position = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(serde_json::to_value(position).unwrap(), stored);
    }
}
