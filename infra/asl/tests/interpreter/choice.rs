use serde_json::{Value, json};

use crate::support::{World, error, machine, succeeded};

fn input() -> Value {
    json!({ "s": "turn", "n": 10, "f": 1.5, "b": true, "z": null, "t": "2026-11-01T10:00:00Z", "same": "turn",
        "big": 9_007_199_254_740_993_i64, "star": "a*b.rs" })
}

fn choose(rule: Value) -> Result<bool, String> {
    let mut rule = rule;
    rule["Next"] = json!("Yes");
    let definition = machine(json!({ "StartAt": "A", "States": {
        "A": { "Type": "Choice", "Choices": [rule], "Default": "No" },
        "Yes": { "Type": "Pass", "Result": true, "End": true },
        "No": { "Type": "Pass", "Result": false, "End": true } } }));
    let end = World::new([]).run(&definition, input());
    match &end {
        Ok(asl::End::Succeeded { output }) => Ok(output == &json!(true)),
        _ => Err(error(end)),
    }
}

#[test]
fn every_operator_compares_as_the_language_says() {
    let cases = [
        ("s", "StringEquals", json!("turn"), true),
        ("s", "StringEquals", json!("Turn"), false),
        ("n", "StringEquals", json!("10"), false),
        ("s", "StringEqualsPath", json!("$.same"), true),
        ("s", "StringLessThan", json!("u"), true),
        ("s", "StringGreaterThanEquals", json!("turn"), true),
        ("star", "StringMatches", json!("a*.rs"), true),
        ("star", "StringMatches", json!("*\\*b.r?"), false),
        ("star", "StringMatches", json!("a\\*b*"), true),
        ("n", "NumericEquals", json!(10.0), true),
        ("n", "NumericGreaterThan", json!(10), false),
        ("n", "NumericGreaterThanEquals", json!(10), true),
        ("f", "NumericLessThan", json!(2), true),
        ("f", "NumericLessThanEqualsPath", json!("$.n"), true),
        ("big", "NumericEquals", json!(9_007_199_254_740_992_i64), false),
        ("s", "NumericLessThan", json!(2), false),
        ("b", "BooleanEquals", json!(true), true),
        ("b", "BooleanEquals", json!(false), false),
        ("t", "TimestampGreaterThan", json!("2026-11-01T10:59:00+01:00"), true),
        ("t", "TimestampLessThan", json!("2026-11-01T10:00:00Z"), false),
        ("s", "IsPresent", json!(true), true),
        ("none", "IsPresent", json!(true), false),
        ("none", "IsPresent", json!(false), true),
        ("z", "IsNull", json!(true), true),
        ("z", "IsPresent", json!(true), true),
        ("t", "IsTimestamp", json!(true), true),
        ("s", "IsTimestamp", json!(false), true),
        ("n", "IsNumeric", json!(true), true),
        ("s", "IsString", json!(true), true),
        ("s", "IsBoolean", json!(true), false),
    ];
    for (variable, operator, operand, expected) in cases {
        let rule = json!({ "Variable": format!("$.{variable}"), operator: operand });
        assert_eq!(choose(rule.clone()), Ok(expected), "{rule}");
    }
}

#[test]
fn nested_rules_stop_at_the_first_that_decides() {
    let present = json!({ "Variable": "$.none", "IsPresent": true });
    let reads = json!({ "Variable": "$.none", "NumericEquals": 1 });
    let holds = json!({ "Variable": "$.b", "BooleanEquals": true });
    assert_eq!(choose(json!({ "And": [present, reads] })), Ok(false));
    assert_eq!(choose(json!({ "Or": [holds, reads] })), Ok(true));
    assert_eq!(choose(json!({ "Not": { "And": [holds, present] } })), Ok(true));
    assert_eq!(choose(reads), Err("States.Runtime".to_owned()));
    let against_nothing = json!({ "Variable": "$.s", "StringEqualsPath": "$.none" });
    assert_eq!(choose(against_nothing), Err("States.Runtime".to_owned()));
}

#[test]
fn the_first_rule_that_holds_decides_and_no_match_is_an_error() {
    let rule = |value: &str, next: &str| json!({ "Variable": "$.v", "StringEquals": value, "Next": next });
    let definition = machine(json!({ "StartAt": "A", "States": {
        "A": { "Type": "Choice", "Choices": [rule("x", "One"), rule("x", "Two"), rule("y", "Two")] },
        "One": { "Type": "Pass", "Result": 1, "End": true },
        "Two": { "Type": "Pass", "Result": 2, "End": true } } }));
    let run = |value: &str| World::new([]).run(&definition, json!({ "v": value }));
    assert_eq!(run("x").unwrap(), succeeded(json!(1)));
    assert_eq!(run("y").unwrap(), succeeded(json!(2)));
    assert_eq!(error(run("z")), "States.NoChoiceMatched");
}
