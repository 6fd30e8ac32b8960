use asl::{Failure, Progress, StateMachine, TaskAnswer};
use serde_json::{Value, json};

use crate::support::{Act, Crash, Reply, World, error, machine, succeeded};

fn definition() -> StateMachine {
    machine(json!({ "StartAt": "A", "States": {
        "A": { "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken", "TimeoutSecondsPath": "$.limit",
            "Parameters": { "FunctionName": "ask", "Payload": { "token.$": "$$.Task.Token", "id.$": "$.id" } },
            "Retry": [{ "ErrorEquals": ["Again"], "IntervalSeconds": 1, "MaxAttempts": 1 }],
            "Catch": [{ "ErrorEquals": ["States.Timeout"], "ResultPath": "$.error", "Next": "Late" }],
            "ResultPath": "$.last", "End": true },
        "Late": { "Type": "Pass", "Result": "late", "End": true } } }))
}

fn input() -> Value {
    json!({ "id": 7, "limit": 100 })
}

fn yes() -> TaskAnswer {
    TaskAnswer::Success { output: json!("yes") }
}

fn answered() -> asl::End {
    succeeded(json!({ "id": 7, "limit": 100, "last": "yes" }))
}

#[test]
fn the_result_is_the_answer_and_not_the_return_value_of_the_call() {
    let world = World::new([("A", vec![Act::Return(json!("ignored"))])]).replies([Reply::Answer(yes())]);
    assert_eq!(world.run(&definition(), input()).unwrap(), answered());
    let calls = world.calls.lock().unwrap();
    let token = calls[0].token.clone().unwrap();
    assert_eq!(token.len(), 64);
    assert_eq!(calls[0].resource, "ask");
    assert_eq!(calls[0].input, json!({ "token": token, "id": 7 }));
}

#[test]
fn a_failed_answer_or_call_fails_the_state_and_a_retry_gets_a_new_token() {
    let refused = Reply::Answer(TaskAnswer::Failure(Failure::new("No", "thanks")));
    let world = World::new([("A", vec![Act::Return(json!(0))])]).replies([refused]);
    assert_eq!(error(world.run(&definition(), input())), "No");

    let world = World::new([("A", vec![Act::Fail("Again"), Act::Return(json!(0))])])
        .replies([Reply::Never, Reply::Answer(yes())]);
    assert_eq!(world.run(&definition(), input()).unwrap(), answered());
    let calls = world.calls.lock().unwrap();
    assert_eq!(calls.len(), 2);
    assert_ne!(calls[0].token, calls[1].token);
}

#[test]
fn an_unanswered_callback_times_out_and_its_token_is_closed() {
    let world = World::new([("A", vec![Act::Return(json!(0))])]).replies([Reply::Never]);
    assert_eq!(world.run(&definition(), input()).unwrap(), succeeded(json!("late")));
    assert_eq!(world.elapsed(), 100);
    assert_eq!(world.closed.lock().unwrap().len(), 1);
}

#[test]
fn a_time_out_path_without_a_valid_number_ends_the_execution() {
    let world = World::new([]);
    assert_eq!(error(world.run(&definition(), json!({ "id": 7, "limit": 0 }))), "States.Runtime");
}

/// An execution whose process died right after it entered the callback state, and its token.
fn crashed() -> (std::sync::Arc<World>, String) {
    let world = World::new([("A", vec![Act::Return(json!(0))])]);
    *world.crash.lock().unwrap() = Some(Crash::After(0));
    world.run(&definition(), input()).unwrap_err();
    let token = match &world.saved.lock().unwrap()[0].progress {
        Progress::In(entry) => entry.token.clone().unwrap(),
        Progress::Ended(end) => panic!("{end:?}"),
    };
    (world, token)
}

#[test]
fn an_answer_during_a_crash_counts_even_after_the_time_out() {
    for seconds in [10, 1_000] {
        let (world, token) = crashed();
        world.answer(&token, yes());
        world.advance(seconds);
        assert_eq!(world.run(&definition(), input()).unwrap(), answered());
        assert!(world.called().is_empty());
        assert_eq!(world.elapsed(), seconds);
    }
}

#[test]
fn a_resumed_callback_keeps_its_token_and_the_rest_of_its_time_out() {
    let (world, token) = crashed();
    world.advance(60);
    world.replies([Reply::Never]);
    assert_eq!(world.run(&definition(), input()).unwrap(), succeeded(json!("late")));
    let calls = world.calls.lock().unwrap();
    assert_eq!((calls[0].token.as_deref(), calls[0].timeout.as_secs()), (Some(token.as_str()), 40));
    assert_eq!(world.elapsed(), 100);
}

#[test]
fn a_callback_whose_time_out_passed_during_a_crash_times_out_at_once() {
    let (world, _) = crashed();
    world.advance(100);
    assert_eq!(world.run(&definition(), input()).unwrap(), succeeded(json!("late")));
    assert!(world.called().is_empty());
}
