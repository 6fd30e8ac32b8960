use serde_json::{Value, json};

use crate::support::{Act, World, error, machine, single, succeeded};

fn task(retry: Value, catch: Value) -> asl::StateMachine {
    machine(json!({ "StartAt": "A", "States": {
        "A": { "Type": "Task", "Resource": "f", "TimeoutSeconds": 30, "Retry": retry, "Catch": catch,
            "ResultPath": "$.last", "Next": "Done" },
        "B": { "Type": "Pass", "Next": "Done" },
        "C": { "Type": "Pass", "ResultPath": null, "Next": "Done" },
        "Done": { "Type": "Succeed" } } }))
}

/// A Catch that keeps the states B and C reachable.
fn catch() -> Value {
    json!([
        { "ErrorEquals": ["Never", "Named"], "ResultPath": "$.error", "Next": "B" },
        { "ErrorEquals": ["States.ALL"], "ResultPath": "$.other", "Next": "C" },
    ])
}

#[test]
fn delays_grow_to_their_maximum() {
    let machine = task(
        json!([{ "ErrorEquals": ["X"], "IntervalSeconds": 2, "BackoffRate": 2, "MaxDelaySeconds": 10, "MaxAttempts": 5 }]),
        catch(),
    );
    let world = World::new([("A", vec![Act::Fail("X")])]);
    world.run(&machine, json!({})).unwrap();
    assert_eq!(*world.sleeps.lock().unwrap(), [2, 4, 8, 10, 10]);
    let counts: Vec<_> = world.calls.lock().unwrap().iter().map(|call| call.retry_count).collect();
    assert_eq!(counts, [0, 1, 2, 3, 4, 5]);
}

#[test]
fn full_jitter_draws_from_the_whole_delay() {
    let machine = task(
        json!([{ "ErrorEquals": ["X"], "IntervalSeconds": 8, "JitterStrategy": "FULL", "MaxAttempts": 4 }]),
        catch(),
    );
    let world = World::new([("A", vec![Act::Fail("X")])]);
    world.run(&machine, json!({})).unwrap();
    // The random fraction alternates between 0 and one half; a sleep of 0 is not recorded.
    assert_eq!(*world.sleeps.lock().unwrap(), [8, 32]);
}

#[test]
fn each_retry_entry_counts_separately_and_the_first_match_decides() {
    let machine = task(
        json!([
            { "ErrorEquals": ["Terminal"], "MaxAttempts": 0 },
            { "ErrorEquals": ["X"], "IntervalSeconds": 1, "MaxAttempts": 1 },
            { "ErrorEquals": ["States.ALL"], "IntervalSeconds": 5, "BackoffRate": 1, "MaxAttempts": 2 },
        ]),
        catch(),
    );
    let acts = ["X", "Y", "Y", "X"].map(Act::Fail).to_vec();
    let world = World::new([("A", acts)]);
    world.run(&machine, json!({})).unwrap();
    assert_eq!(*world.sleeps.lock().unwrap(), [1, 5, 5]);

    let world = World::new([("A", vec![Act::Fail("Terminal")])]);
    world.run(&machine, json!({})).unwrap();
    assert_eq!(world.called(), ["A"]);
}

#[test]
fn retry_counters_restart_with_each_entry_into_a_state() {
    let machine = machine(json!({ "StartAt": "A", "States": {
        "A": { "Type": "Task", "Resource": "f", "TimeoutSeconds": 30, "Next": "More",
            "Retry": [{ "ErrorEquals": ["X"], "MaxAttempts": 1 }] },
        "More": { "Type": "Choice", "Choices": [{ "Variable": "$.more", "BooleanEquals": true, "Next": "A" }], "Default": "Done" },
        "Done": { "Type": "Succeed" } } }));
    let again = |more| Act::Return(json!({ "more": more }));
    let world = World::new([("A", vec![Act::Fail("X"), again(true), Act::Fail("X"), again(false)])]);
    assert_eq!(world.run(&machine, json!({})).unwrap(), succeeded(json!({ "more": false })));
}

#[test]
fn a_catch_adds_the_error_to_the_input() {
    let run = |error| {
        let world = World::new([("A", vec![Act::Fail(error)])]);
        world.run(&task(json!([]), catch()), json!({ "id": 1 })).unwrap()
    };
    let output = |name: &str| json!({ "Error": name, "Cause": "scripted" });
    assert_eq!(run("Named"), succeeded(json!({ "id": 1, "error": output("Named") })));
    assert_eq!(run("Else"), succeeded(json!({ "id": 1, "other": output("Else") })));
}

#[test]
fn states_all_and_states_task_failed_match_what_the_language_says() {
    let matches = |name: &str, error: &'static str| {
        let catch = json!([{ "ErrorEquals": [name], "Next": "B" }, { "ErrorEquals": ["Never"], "Next": "C" }]);
        let world = World::new([("A", vec![Act::Fail(error)])]);
        matches!(world.run(&task(json!([]), catch), json!({})).unwrap(), asl::End::Succeeded { .. })
    };
    let table = [
        ("Mine", true, true),
        ("States.Timeout", true, false),
        ("States.Permissions", true, true),
        ("States.DataLimitExceeded", false, false),
        ("States.Runtime", false, false),
    ];
    for (error, all, failed) in table {
        let catch = json!([{ "ErrorEquals": ["Never"], "Next": "B" }, { "ErrorEquals": ["States.ALL"], "Next": "C" }]);
        let world = World::new([("A", vec![Act::Fail(error)])]);
        let end = world.run(&task(json!([]), catch), json!({})).unwrap();
        assert_eq!(matches!(end, asl::End::Succeeded { .. }), all, "States.ALL, {error}");
        assert_eq!(matches("States.TaskFailed", error), failed, "States.TaskFailed, {error}");
    }
}

#[test]
fn each_attempt_at_a_task_has_its_own_time_out() {
    let machine = task(json!([{ "ErrorEquals": ["States.Timeout"], "IntervalSeconds": 1, "MaxAttempts": 1 }]), catch());
    let world = World::new([("A", vec![Act::Hang, Act::Slow(29, json!("late"))])]);
    let end = world.run(&machine, json!({})).unwrap();
    assert_eq!(end, succeeded(json!({ "last": "late" })));
    assert_eq!(world.elapsed(), 30 + 1 + 29);
}

#[test]
fn the_time_out_of_the_machine_skips_every_catch() {
    let definition = |state: Value| {
        machine(json!({ "StartAt": "A", "TimeoutSeconds": 20, "States": {
        "A": state, "B": { "Type": "Succeed" } } }))
    };
    let hang = json!({ "Type": "Task", "Resource": "f", "TimeoutSeconds": 30, "Next": "B",
        "Retry": [{ "ErrorEquals": ["X"], "IntervalSeconds": 60 }], "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "B" }] });
    for act in [Act::Hang, Act::Fail("X")] {
        let world = World::new([("A", vec![act])]);
        assert_eq!(error(world.run(&definition(hang.clone()), json!({}))), "States.Timeout");
        assert_eq!(world.elapsed(), 20);
        assert_eq!(world.calls.lock().unwrap()[0].timeout.as_secs(), 20);
    }
    let waits = json!({ "Type": "Wait", "Seconds": 60, "Next": "B" });
    assert_eq!(error(World::new([]).run(&definition(waits), json!({}))), "States.Timeout");
}

#[test]
fn an_uncaught_error_ends_the_execution() {
    let state = single(json!({ "Type": "Task", "Resource": "f", "TimeoutSeconds": 3, "End": true }));
    assert_eq!(error(World::new([("A", vec![Act::Fail("Mine")])]).run(&state, json!({}))), "Mine");
}
