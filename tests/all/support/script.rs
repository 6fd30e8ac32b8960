//! Builders for scripts that the stand-in for the model plays.

use serde_json::{Value, json};

/// A plan that the program accepts and that asks nothing.
pub(crate) fn plan(title: &str) -> Value {
    json!({
        "title": title,
        "summary": "Why and how.",
        "steps": ["Do it."],
        "files": [],
        "risks": [],
        "projectType": "general",
        "confidence": { "value": 0.8, "reason": "It is small." },
        "decisions": [],
        "question": null,
    })
}

/// A script with a plan and these turns.
pub(crate) fn script(turns: &[Value]) -> Value {
    json!({ "plan": plan("Change a file"), "turns": turns })
}

/// A turn with one call of `bash`.
pub(crate) fn bash(command: &str) -> Value {
    tools(&[("bash", json!({ "command": command }))])
}

/// A turn with several tool calls, by name and input.
pub(crate) fn tools(calls: &[(&str, Value)]) -> Value {
    let calls: Vec<Value> = calls.iter().map(|(name, input)| json!({ "name": name, "input": input })).collect();
    json!({ "text": "Working on it.", "tools": calls })
}

/// A turn without tool calls, which ends the work.
pub(crate) fn ends() -> Value {
    json!({ "text": "Changed what was asked for." })
}
