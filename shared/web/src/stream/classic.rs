//! The format `classic`: only the fields that clients of the first Tiny Backspace know.

use serde_json::{Map, Value};

const KNOWN_FIELDS: [&str; 11] = [
    "type",
    "message",
    "filepath",
    "old_str",
    "new_str",
    "command",
    "output",
    "exit_code",
    "error",
    "pr_url",
    "summary",
];

/// Reduces a native frame to the known fields.
pub(super) fn frame(native: &Value) -> Value {
    let mut classic = Map::new();
    for name in KNOWN_FIELDS {
        if let Some(value) = native.get(name).filter(|value| !value.is_null()) {
            classic.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(code) = native.get("exitCode").filter(|code| !code.is_null()) {
        classic.insert("exit_code".to_owned(), code.clone());
    }
    // An output that is stored as a blob is an object here; the message describes it.
    if classic.get("output").is_some_and(|output| !output.is_string()) {
        classic.insert("output".to_owned(), native["message"].clone());
    }
    Value::Object(classic)
}
