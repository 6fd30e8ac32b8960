use serde_json::{Value, json};

use crate::support::{Act, World, error, machine, single, succeeded};

/// Runs a Task state whose task returns `result`, with further fields.
fn task(result: Value, fields: Value, input: Value) -> (std::sync::Arc<World>, Result<asl::End, asl::RunError>) {
    let mut state = json!({ "Type": "Task", "Resource": "f", "TimeoutSeconds": 5, "End": true });
    for (field, value) in fields.as_object().unwrap() {
        state[field] = value.clone();
    }
    let world = World::new([("A", vec![Act::Return(result)])]);
    let end = world.run(&single(state), input);
    (world, end)
}

#[test]
fn data_passes_through_the_five_fields_in_order() {
    let (world, end) = task(
        json!({ "answer": [1, { "deep": true }], "noise": 0 }),
        json!({
            "InputPath": "$.request",
            "Parameters": { "id.$": "$.ids[1]", "whole.$": "$", "fixed": [{ "n.$": "$['a key']" }], "same.$": "$$.Execution.Input.request.ids" },
            "ResultSelector": { "picked.$": "$.answer[1].deep" },
            "ResultPath": "$.made.new.here",
            "OutputPath": "$.made",
        }),
        json!({ "request": { "ids": [3, 4], "a key": 5 }, "made": { "kept": 1 } }),
    );
    assert_eq!(end.unwrap(), succeeded(json!({ "kept": 1, "new": { "here": { "picked": true } } })));
    assert_eq!(
        world.calls.lock().unwrap()[0].input,
        json!({ "id": 4, "whole": { "ids": [3, 4], "a key": 5 }, "fixed": [{ "n": 5 }], "same": [3, 4] })
    );
}

#[test]
fn null_paths_drop_what_they_select() {
    let input = json!({ "a": 1 });
    let end = |fields| task(json!({ "b": 2 }), fields, input.clone()).1.unwrap();
    assert_eq!(end(json!({})), succeeded(json!({ "b": 2 })));
    assert_eq!(end(json!({ "ResultPath": null })), succeeded(input.clone()));
    assert_eq!(end(json!({ "OutputPath": null })), succeeded(json!({})));
    let (world, _) = task(json!(0), json!({ "InputPath": null }), input.clone());
    assert_eq!(world.calls.lock().unwrap()[0].input, json!({}));
}

#[test]
fn each_field_fails_with_its_own_error_for_a_missing_value() {
    let name = |fields| error(task(json!({}), fields, json!({ "a": [1], "s": "text" })).1);
    assert_eq!(name(json!({ "InputPath": "$.b" })), "States.Runtime");
    assert_eq!(name(json!({ "OutputPath": "$.b" })), "States.Runtime");
    assert_eq!(name(json!({ "Parameters": { "x.$": "$.b" } })), "States.ParameterPathFailure");
    assert_eq!(name(json!({ "ResultSelector": { "x.$": "$.b" } })), "States.ParameterPathFailure");
    assert_eq!(name(json!({ "ResultPath": "$.s.t" })), "States.ResultPathMatchFailure");
    assert_eq!(name(json!({ "ResultPath": "$.a[1]" })), "States.ResultPathMatchFailure");
}

#[test]
fn data_above_262_144_bytes_fails_and_states_all_does_not_catch_it() {
    let fields = json!({ "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "A" }] });
    let text = |length: usize| json!("x".repeat(length - 2));
    assert_eq!(task(text(262_144), fields.clone(), json!(0)).1.unwrap(), succeeded(text(262_144)));
    assert_eq!(error(task(text(262_145), fields, json!(0)).1), "States.DataLimitExceeded");
    let both = json!({ "ResultPath": "$.b" });
    assert_eq!(error(task(text(200_000), both, json!({ "a": text(100_000) })).1), "States.DataLimitExceeded");
    assert_eq!(error(task(json!(0), json!({}), text(262_145)).1), "States.DataLimitExceeded");

    let named = machine(json!({ "StartAt": "A", "States": {
        "A": { "Type": "Task", "Resource": "f", "TimeoutSeconds": 5, "End": true,
            "Catch": [{ "ErrorEquals": ["States.DataLimitExceeded"], "ResultPath": null, "Next": "B" }] },
        "B": { "Type": "Succeed" } } }));
    let world = World::new([("A", vec![Act::Return(text(262_145))])]);
    assert_eq!(world.run(&named, json!(1)).unwrap(), succeeded(json!(1)));
}

#[test]
fn the_context_object_describes_execution_state_and_machine() {
    let definition = machine(json!({ "StartAt": "Wait", "States": {
        "Wait": { "Type": "Wait", "Seconds": 90, "Next": "Pass" },
        "Pass": { "Type": "Pass", "End": true, "Parameters": {
            "name.$": "$$.Execution.Name", "id.$": "$$.Execution.Id", "input.$": "$$.Execution.Input",
            "start.$": "$$.Execution.StartTime", "state.$": "$$.State.Name", "entered.$": "$$.State.EnteredTime",
            "retries.$": "$$.State.RetryCount", "machine.$": "$$.StateMachine.Name" } } } }));
    assert_eq!(
        World::new([]).run(&definition, json!({ "x": 1 })).unwrap(),
        succeeded(json!({
            "name": "e", "id": "arn:aws:states:local:000000000000:execution:test:e", "input": { "x": 1 },
            "start": "1970-01-01T00:00:00.000Z", "state": "Pass", "entered": "1970-01-01T00:01:30.000Z",
            "retries": 0, "machine": "test",
        }))
    );
}

#[test]
fn each_field_of_a_wait_sets_its_end() {
    let input = json!({ "s": 7, "t": "1970-01-01T00:00:09Z", "bad": -1 });
    for (field, value, seconds) in [
        ("Seconds", json!(5), 5),
        ("SecondsPath", json!("$.s"), 7),
        ("Timestamp", json!("1970-01-01T01:00:08+01:00"), 8),
        ("TimestampPath", json!("$.t"), 9),
        ("Timestamp", json!("1969-01-01T00:00:00Z"), 0),
    ] {
        let world = World::new([]);
        let end = world.run(&single(json!({ "Type": "Wait", field: value, "End": true })), input.clone());
        assert_eq!((end.unwrap(), world.elapsed()), (succeeded(input.clone()), seconds), "{field}");
    }
    let bad = single(json!({ "Type": "Wait", "SecondsPath": "$.bad", "End": true }));
    assert_eq!(error(World::new([]).run(&bad, input)), "States.Runtime");
}

#[test]
fn a_fail_state_can_read_its_error_from_the_input() {
    let state = single(json!({ "Type": "Fail", "ErrorPath": "$.error.Error", "Cause": "because" }));
    let end = World::new([]).run(&state, json!({ "error": { "Error": "Broken" } })).unwrap();
    assert_eq!(end, asl::End::Failed(asl::Failure::new("Broken", "because")));
    assert_eq!(error(World::new([]).run(&state, json!({}))), "States.Runtime");
}
