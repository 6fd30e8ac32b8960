//! `tools` and `tool_choice`.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::claude::api_error::ApiError;
use crate::claude::request::Request;

/// Fields of every tool.
const COMMON_FIELDS: [&str; 7] =
    ["name", "type", "cache_control", "strict", "defer_loading", "allowed_callers", "input_examples"];

/// The types of tools whose schema the API knows, with the only name it accepts for them and their further fields.
const BUILT_IN: [(&str, &str, &[&str]); 3] = [
    ("bash_20250124", "bash", &[]),
    ("memory_20250818", "memory", &[]),
    ("text_editor_20250728", "str_replace_based_edit_tool", &["max_characters"]),
];

/// Further fields of a tool that the client defines.
const CUSTOM_FIELDS: [&str; 3] = ["description", "input_schema", "eager_input_streaming"];

/// `tools`: each by itself, and no name twice.
pub(crate) fn list(request: &Request) -> Result<(), ApiError> {
    let mut names = HashSet::new();
    for (position, tool) in request.tools.iter().enumerate() {
        if !names.insert(check(tool, &format!("tools.{position}"))?) {
            return Err(ApiError::invalid("tools: Tool names must be unique."));
        }
    }
    Ok(())
}

/// Checks a tool and returns its name.
fn check<'a>(tool: &'a Value, list_path: &str) -> Result<&'a str, ApiError> {
    let fields = tool.as_object();
    let fields = fields.ok_or_else(|| ApiError::invalid(format!("{list_path}: Input should be an object")))?;
    let kind = fields.get("type").and_then(Value::as_str).unwrap_or("custom");
    let built_in = BUILT_IN.iter().find(|(known, ..)| *known == kind);
    let own_fields: &[&str] = match built_in {
        Some((_, _, own_fields)) => own_fields,
        None if kind == "custom" => &CUSTOM_FIELDS,
        None => {
            return Err(ApiError::invalid(format!(
                "{list_path}: Input tag '{kind}' found using 'type' does not match any of the expected tags: \
                 'bash_20250124', 'custom', 'memory_20250818', 'text_editor_20250728'"
            )));
        }
    };
    let path = format!("{list_path}.{kind}");
    let is_known = |name: &str| COMMON_FIELDS.contains(&name) || own_fields.contains(&name);
    if let Some(name) = fields.keys().find(|name| !is_known(name)) {
        return Err(ApiError::extra_field(&format!("{path}.{name}")));
    }
    let name = fields.get("name").and_then(Value::as_str);
    let name = name.ok_or_else(|| ApiError::missing_field(&format!("{path}.name")))?;
    match built_in {
        Some((_, only, _)) if name != *only => {
            return Err(ApiError::invalid(format!("{path}.name: Input should be '{only}'")));
        }
        Some(_) => {}
        None => check_custom(fields, name, &path)?,
    }
    Ok(name)
}

fn check_custom(fields: &Map<String, Value>, name: &str, path: &str) -> Result<(), ApiError> {
    if name.chars().count() > 128 {
        return Err(ApiError::invalid(format!("{path}.name: String should have at most 128 characters")));
    }
    if !is_word(name) {
        return Err(ApiError::invalid(format!("{path}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")));
    }
    let schema = fields.get("input_schema");
    let schema = schema.ok_or_else(|| ApiError::missing_field(&format!("{path}.input_schema")))?;
    match schema.get("type").map(|kind| kind == "object") {
        Some(true) => Ok(()),
        Some(false) => Err(ApiError::invalid(format!("{path}.input_schema.type: Input should be 'object'"))),
        None => Err(ApiError::missing_field(&format!("{path}.input_schema.type"))),
    }
}

/// Whether a text has only the characters that the API allows in names and ids: ASCII letters, digits, `_` and `-`.
pub(crate) fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// `tool_choice`. Current models refuse a forced one.
pub(crate) fn choice(request: &Request) -> Result<(), ApiError> {
    let Some(choice) = request.body.get("tool_choice").filter(|choice| !choice.is_null()) else {
        return Ok(());
    };
    match choice["type"].as_str() {
        Some("any" | "tool") if request.model.is_current() => {
            Err(ApiError::invalid("tool_choice: type \"tool\" and \"any\" are not supported for this model."))
        }
        Some("auto" | "none") => Ok(()),
        Some("any" | "tool") if request.tools.is_empty() => {
            Err(ApiError::invalid("tool_choice may only be specified while providing tools"))
        }
        Some("any") => Ok(()),
        Some("tool") if request.tools.iter().any(|tool| tool["name"] == choice["name"]) => Ok(()),
        Some("tool") => {
            let name = choice["name"].as_str().unwrap_or_default();
            Err(ApiError::invalid(format!("Tool '{name}' not found in provided tools")))
        }
        Some(_) | None => Err(ApiError::invalid("tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'")),
    }
}
