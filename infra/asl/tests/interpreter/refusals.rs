use asl::{DefinitionError, Problem, StateKind, StateMachine};
use serde_json::{Value, json};

fn problems(definition: &Value) -> Vec<(Option<String>, String, Problem)> {
    let errors = StateMachine::parse(&definition.to_string(), |_| None).expect_err("a refusal");
    let parts = |DefinitionError { state, field, problem }| (state, field, problem);
    errors.into_iter().map(parts).collect()
}

/// The problems of a valid Task `A` with some fields replaced; `"-"` removes a field.
fn in_task(change: Value) -> Vec<(String, Problem)> {
    let mut state = json!({ "Type": "Task", "Resource": "f", "TimeoutSeconds": 5, "End": true });
    for (field, value) in change.as_object().unwrap() {
        if value == "-" {
            state.as_object_mut().unwrap().remove(field);
        } else {
            state[field] = value.clone();
        }
    }
    in_state(state)
}

fn in_state(state: Value) -> Vec<(String, Problem)> {
    let found = problems(&json!({ "StartAt": "A", "States": { "A": state } }));
    assert!(found.iter().all(|(state, ..)| state.as_deref() == Some("A")), "{found:?}");
    found.into_iter().map(|(_, field, problem)| (field, problem)).collect()
}

fn one(field: &str, problem: Problem) -> Vec<(String, Problem)> {
    vec![(field.to_owned(), problem)]
}

#[test]
fn unsupported_fields_of_a_task_are_refused() {
    let text = str::to_owned;
    let retry = |names: Value| json!({ "Retry": [{ "ErrorEquals": names }] });
    let cases = [
        (json!({ "HeartbeatSeconds": 3 }), "HeartbeatSeconds", Problem::UnsupportedField),
        (json!({ "Assign": {} }), "Assign", Problem::UnsupportedField),
        (json!({ "QueryLanguage": "JSONata" }), "QueryLanguage", Problem::UnsupportedQueryLanguage(text("JSONata"))),
        (json!({ "TimeoutSeconds": "-" }), "TimeoutSeconds", Problem::NoTimeout),
        (json!({ "TimeoutSeconds": 0 }), "TimeoutSeconds", Problem::OutOfRange(1, 99_999_999)),
        (json!({ "TimeoutSecondsPath": "$.t" }), "TimeoutSecondsPath", Problem::Conflict(text("TimeoutSeconds"))),
        (json!({ "End": "-" }), "", Problem::NoTransition),
        (json!({ "Next": "A" }), "Next", Problem::Conflict(text("End"))),
        (json!({ "End": false }), "End", Problem::WrongType("true")),
        (json!({ "InputPath": "$.a[*]" }), "InputPath", Problem::UnsupportedPath(text("$.a[*]"))),
        (json!({ "InputPath": "$..a" }), "InputPath", Problem::UnsupportedPath(text("$..a"))),
        (json!({ "ResultPath": "$$.Execution.Id" }), "ResultPath", Problem::ContextNotAllowed(text("$$.Execution.Id"))),
        (
            json!({ "Parameters": { "a": [{ "b.$": "States.UUID()" }] } }),
            "Parameters.a[0].b.$",
            Problem::UnsupportedIntrinsic(text("States.UUID()")),
        ),
        (
            json!({ "Parameters": { "a.$": "$$.Map.Item.Value" } }),
            "Parameters.a.$",
            Problem::UnsupportedContextPath(text("$$.Map.Item.Value")),
        ),
        (json!({ "Parameters": { "a.$": "$.b", "a": 1 } }), "Parameters.a.$", Problem::Conflict(text("a"))),
        (json!({ "Parameters": { "a.$": "$$.Task.Token" } }), "Parameters", Problem::TokenNotAllowed),
        (
            json!({ "Resource": "arn:aws:states:::lambda:invoke" }),
            "Resource",
            Problem::UnsupportedResource(text("arn:aws:states:::lambda:invoke")),
        ),
        (
            json!({ "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken" }),
            "Resource",
            Problem::UnsupportedResource(text("arn:aws:states:::sqs:sendMessage.waitForTaskToken")),
        ),
        (json!({ "Resource": "${Nobody}" }), "Resource", Problem::Unresolved(text("Nobody"))),
        (retry(json!(["States.ALL", "X"])), "Retry[0].ErrorEquals", Problem::AllNotAlone),
        (retry(json!([])), "Retry[0].ErrorEquals", Problem::Empty),
        (
            retry(json!(["States.Runtime"])),
            "Retry[0].ErrorEquals",
            Problem::UnsupportedErrorName(text("States.Runtime")),
        ),
        (
            json!({ "Retry": [{ "ErrorEquals": ["X"], "BackoffRate": 0.5 }] }),
            "Retry[0].BackoffRate",
            Problem::WrongType("a number from 1.0"),
        ),
        (
            json!({ "Retry": [{ "ErrorEquals": ["States.ALL"] }, { "ErrorEquals": ["X"] }] }),
            "Retry[0].ErrorEquals",
            Problem::AllNotLast,
        ),
        (json!({ "Catch": [{ "ErrorEquals": ["X"], "Next": "B" }] }), "Catch[0].Next", Problem::NoSuchState(text("B"))),
        (
            json!({ "Catch": [{ "ErrorEquals": ["X"], "Next": "A", "Output": 1 }] }),
            "Catch[0].Output",
            Problem::UnsupportedField,
        ),
    ];
    for (change, field, problem) in cases {
        assert_eq!(in_task(change.clone()), one(field, problem), "{change}");
    }
}

#[test]
fn unsupported_fields_of_other_states_are_refused() {
    let choice = |rule: Value| json!({ "Type": "Choice", "Choices": [rule] });
    let callback = |parameters: Value| {
        json!({ "Type": "Task", "TimeoutSeconds": 5, "End": true, "Parameters": parameters,
            "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken" })
    };
    let cases = [
        (json!({ "Type": "Map", "Iterator": {} }), "Type", Problem::UnsupportedStateType("Map".into())),
        (
            choice(json!({ "Variable": "$.a", "StringLike": "b", "Next": "A" })),
            "Choices[0].StringLike",
            Problem::UnsupportedOperator("StringLike".into()),
        ),
        (
            choice(json!({ "Variable": "$.a", "BooleanLessThan": true, "Next": "A" })),
            "Choices[0].BooleanLessThan",
            Problem::UnsupportedOperator("BooleanLessThan".into()),
        ),
        (
            choice(json!({ "And": [{ "Variable": "$.a", "IsNull": true, "Next": "A" }], "Next": "A" })),
            "Choices[0].And[0].Next",
            Problem::Conflict("IsNull".into()),
        ),
        (
            choice(json!({ "Variable": "$.a", "NumericEquals": "1", "Next": "A" })),
            "Choices[0].NumericEquals",
            Problem::WrongType("a number"),
        ),
        (choice(json!({ "Variable": "$.a", "IsNull": true })), "Choices[0].Next", Problem::Missing),
        (json!({ "Type": "Wait", "End": true }), "Seconds", Problem::Missing),
        (
            json!({ "Type": "Wait", "End": true, "Seconds": 1, "SecondsPath": "$.s" }),
            "",
            Problem::Conflict("another field that says how long".into()),
        ),
        (json!({ "Type": "Fail", "Error": "E", "ErrorPath": "$.e" }), "ErrorPath", Problem::Conflict("Error".into())),
        (json!({ "Type": "Succeed", "Next": "A" }), "Next", Problem::UnsupportedField),
        (callback(json!({ "FunctionName": "f", "Payload": {} })), "Parameters.Payload", Problem::MissingToken),
        (
            callback(json!({ "FunctionName": "f", "Qualifier": "1", "Payload": { "t.$": "$$.Task.Token" } })),
            "Parameters.Qualifier",
            Problem::UnsupportedField,
        ),
    ];
    for (state, field, problem) in cases {
        assert_eq!(in_state(state.clone()), one(field, problem), "{state}");
    }
}

#[test]
fn all_problems_are_reported_at_once() {
    let found = problems(&json!({
        "StartAt": "Nowhere",
        "TimeoutSeconds": "soon",
        "ProcessorConfig": {},
        "States": {
            "A": { "Type": "Pass", "Next": "C" },
            "B": { "Type": "Task", "Resource": "${Missing}", "End": true },
        },
    }));
    let reported: Vec<_> = found.iter().map(|(state, field, _)| (state.as_deref(), field.as_str())).collect();
    assert_eq!(
        reported,
        [
            (Some("B"), "Resource"),
            (None, "TimeoutSeconds"),
            (None, "ProcessorConfig"),
            (Some("B"), "TimeoutSeconds"),
            (None, "StartAt"),
            (Some("A"), "Next"),
        ]
    );
    let unreachable = problems(&json!({
        "StartAt": "A",
        "States": { "A": { "Type": "Succeed" }, "B": { "Type": "Pass", "Next": "A" } },
    }));
    assert_eq!(unreachable, [(Some("B".to_owned()), String::new(), Problem::Unreachable)]);
}

#[test]
fn a_problem_reads_as_a_sentence() {
    let errors =
        StateMachine::parse(r#"{ "StartAt": "A", "States": { "A": { "Type": "Pass", "Next": "B" } } }"#, |_| None);
    let text: Vec<_> = errors.unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(text, [r#"state "A", field Next: there is no state "B""#]);
}

#[test]
fn a_substituted_value_is_not_substituted_again() {
    let text = r#"{ "StartAt": "A", "States": { "A":
        { "Type": "Task", "Resource": "${F}", "TimeoutSeconds": 1, "End": true } } }"#;
    let machine = StateMachine::parse(text, |name| (name == "F").then(|| "x${F}\"".to_owned())).unwrap();
    let state = machine.state("A").unwrap();
    assert_eq!(state.kind(), StateKind::Task);
    assert_eq!(state.task().unwrap().resource(), "${F}");
}

mod never_panics {
    use asl::StateMachine;
    use proptest::prelude::*;

    proptest! {
        /// Paths are the only grammar here with a hand-written parser.
        #[test]
        fn on_any_path(path in r#"\$?\$?[.\[\]'"\\a0é*]{0,12}"#) {
            let definition = serde_json::json!({ "StartAt": "A", "States": { "A":
                { "Type": "Succeed", "InputPath": path } } });
            let _ = StateMachine::parse(&definition.to_string(), |_| None);
        }
    }
}
