//! Words for scripts of the model.

use serde_json::{Value, json};

/// A plan that goes through.
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

/// A session with these turns.
pub(crate) fn script(turns: &[Value]) -> Value {
    json!({ "plan": plan("Change a file"), "turns": turns })
}

/// A turn with one command.
pub(crate) fn bash(command: &str) -> Value {
    tools(&[("bash", json!({ "command": command }))])
}

/// A turn with several calls.
pub(crate) fn tools(calls: &[(&str, Value)]) -> Value {
    let calls: Vec<Value> = calls.iter().map(|(name, input)| json!({ "name": name, "input": input })).collect();
    json!({ "text": "Working on it.", "tools": calls })
}

/// The turn that ends the work.
pub(crate) fn ends() -> Value {
    json!({ "text": "Changed what was asked for." })
}
