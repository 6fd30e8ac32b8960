use asl::{End, Failure, RunError, StateMachine, TaskAnswer};
use serde_json::json;

use crate::support::{Act, Crash, Reply, World, block_on, machine};

fn tour() -> StateMachine {
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
    // After a crash the second call repeats; idempotence is the task's own affair.
    let work = vec![Act::Fail("X"), Act::Give(json!("done"))];
    let yes = Reply::Answer(TaskAnswer::Success { output: json!("yes") });
    World::new([("Work", work), ("Ask", vec![Act::Give(json!(0))])]).replies([yes])
}

#[test]
fn a_crash_at_any_save_changes_nothing_but_the_number_of_calls() {
    let input = json!({ "id": 1 });
    let whole = world();
    let end = whole.run(&tour(), input.clone()).unwrap();
    let saves = whole.saved.lock().unwrap().len();
    assert_eq!(whole.entered(), ["Work", "Work", "Look", "Rest", "Ask", "Shape", "Done"]);
    assert!(matches!(end, End::Succeeded { .. }));

    for crash in (0..saves).flat_map(|at| [Crash::Before(at), Crash::After(at)]) {
        let world = world();
        *world.crash.lock().unwrap() = Some(crash);
        let crashed = world.run(&tour(), input.clone());
        assert!(matches!(crashed, Err(RunError::ExecutionStore(_))), "{crash:?}");
        *world.crash.lock().unwrap() = None;
        assert_eq!(world.run(&tour(), input.clone()).unwrap(), end, "{crash:?}");
        let mut entered = world.entered();
        // Dying before the save of the retry makes the failed try be forgotten with it.
        entered.dedup();
        assert_eq!(entered, ["Work", "Look", "Rest", "Ask", "Shape", "Done"], "{crash:?}");
    }
}

#[test]
fn a_resumed_wait_waits_only_the_rest() {
    let world = world();
    *world.crash.lock().unwrap() = Some(Crash::After(3));
    world.run(&tour(), json!({})).unwrap_err();
    let before = world.elapsed();
    world.pass(20);
    *world.crash.lock().unwrap() = None;
    block_on(world.interpreter(&tour()).resume("e")).unwrap();
    assert_eq!(world.elapsed(), before + 50);
}

#[test]
fn a_name_is_one_execution() {
    let world = world();
    let first = world.run(&tour(), json!({ "id": 1 })).unwrap();
    let calls = world.called().len();
    assert_eq!(world.run(&tour(), json!({ "id": 1 })).unwrap(), first);
    assert_eq!(world.called().len(), calls);
    let other = world.run(&tour(), json!({ "id": 2 }));
    assert!(matches!(other, Err(RunError::ExecutionAlreadyExists(_))));
    let unknown = block_on(world.interpreter(&tour()).resume("f"));
    assert!(matches!(unknown, Err(RunError::ExecutionDoesNotExist(_))));
    let bad = block_on(world.interpreter(&tour()).run("../e", json!({})));
    assert!(matches!(bad, Err(RunError::InvalidName(_))));
}

#[test]
fn a_stopped_execution_stays_stopped() {
    let world = world();
    *world.crash.lock().unwrap() = Some(Crash::After(2));
    world.run(&tour(), json!({})).unwrap_err();
    *world.crash.lock().unwrap() = None;
    let stopped = block_on(world.interpreter(&tour()).stop("e", Failure::new("Stopped", "by hand")));
    assert_eq!(stopped.unwrap(), End::Aborted(Failure::new("Stopped", "by hand")));
    let end = world.run(&tour(), json!({})).unwrap();
    assert!(matches!(end, End::Aborted(_)));
    let again = block_on(world.interpreter(&tour()).stop("e", Failure::new("Twice", "")));
    assert_eq!(again.unwrap(), end);
}

#[test]
fn a_state_that_the_definition_lost_is_an_error_and_not_an_end() {
    let world = world();
    *world.crash.lock().unwrap() = Some(Crash::After(2));
    world.run(&tour(), json!({})).unwrap_err();
    *world.crash.lock().unwrap() = None;
    let other = machine(json!({ "StartAt": "Done", "States": { "Done": { "Type": "Succeed" } } }));
    assert!(matches!(world.run(&other, json!({})), Err(RunError::UnknownState { .. })));
    assert!(world.run(&tour(), json!({})).is_ok());
}
