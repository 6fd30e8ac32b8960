use asl::{Failure, Place, StateMachine, TaskAnswer};
use serde_json::{Value, json};

use crate::support::{Act, Crash, Reply, World, error, machine, succeeded};

fn ask() -> StateMachine {
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
fn the_answer_is_the_result_and_the_calls_own_is_not() {
    let world = World::new([("A", vec![Act::Give(json!("ignored"))])]).replies([Reply::Answer(yes())]);
    assert_eq!(world.run(&ask(), input()).unwrap(), answered());
    let calls = world.calls.lock().unwrap();
    let token = calls[0].token.clone().unwrap();
    assert_eq!(token.len(), 64);
    assert_eq!(calls[0].resource, "ask");
    assert_eq!(calls[0].input, json!({ "token": token, "id": 7 }));
}

#[test]
fn a_failed_answer_or_call_fails_the_state_and_a_retry_has_a_new_token() {
    let refused = Reply::Answer(TaskAnswer::Failure(Failure::new("No", "thanks")));
    let world = World::new([("A", vec![Act::Give(json!(0))])]).replies([refused]);
    assert_eq!(error(world.run(&ask(), input())), "No");

    let world = World::new([("A", vec![Act::Fail("Again"), Act::Give(json!(0))])])
        .replies([Reply::Never, Reply::Answer(yes())]);
    assert_eq!(world.run(&ask(), input()).unwrap(), answered());
    let calls = world.calls.lock().unwrap();
    assert_eq!(calls.len(), 2);
    assert_ne!(calls[0].token, calls[1].token);
}

#[test]
fn nobody_answers_in_time() {
    let world = World::new([("A", vec![Act::Give(json!(0))])]).replies([Reply::Never]);
    assert_eq!(world.run(&ask(), input()).unwrap(), succeeded(json!("late")));
    assert_eq!(world.elapsed(), 100);
    assert_eq!(world.closed.lock().unwrap().len(), 1);
}

#[test]
fn a_time_out_that_is_no_number_of_seconds_ends_the_execution() {
    let world = World::new([]);
    assert_eq!(error(world.run(&ask(), json!({ "id": 7, "limit": 0 }))), "States.Runtime");
}

/// An execution whose process died as soon as it stood in the callback state, and its token.
fn died() -> (std::sync::Arc<World>, String) {
    let world = World::new([("A", vec![Act::Give(json!(0))])]);
    *world.crash.lock().unwrap() = Some(Crash::After(0));
    world.run(&ask(), input()).unwrap_err();
    let token = match &world.saved.lock().unwrap()[0].place {
        Place::In(entry) => entry.token.clone().unwrap(),
        Place::Ended(end) => panic!("{end:?}"),
    };
    (world, token)
}

#[test]
fn an_answer_given_while_nobody_ran_the_execution_counts_even_after_its_time() {
    for seconds in [10, 1_000] {
        let (world, token) = died();
        world.answer(&token, yes());
        world.pass(seconds);
        assert_eq!(world.run(&ask(), input()).unwrap(), answered());
        assert!(world.called().is_empty());
        assert_eq!(world.elapsed(), seconds);
    }
}

#[test]
fn a_resumed_execution_asks_again_with_the_same_token_and_only_the_rest_of_the_time() {
    let (world, token) = died();
    world.pass(60);
    world.replies([Reply::Never]);
    assert_eq!(world.run(&ask(), input()).unwrap(), succeeded(json!("late")));
    let calls = world.calls.lock().unwrap();
    assert_eq!((calls[0].token.as_deref(), calls[0].timeout.as_secs()), (Some(token.as_str()), 40));
    assert_eq!(world.elapsed(), 100);
}

#[test]
fn time_that_ran_out_meanwhile_is_out_at_once() {
    let (world, _) = died();
    world.pass(100);
    assert_eq!(world.run(&ask(), input()).unwrap(), succeeded(json!("late")));
    assert!(world.called().is_empty());
}
