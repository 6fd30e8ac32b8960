//! `system` and `messages`: each block by itself, and the order of the roles.

use serde_json::{Map, Value};

use super::tools::is_word;
use crate::claude::api_error::ApiError;
use crate::claude::request::{Message, Request, Role};

/// The API's limit.
const MAX_MESSAGES: usize = 100_000;

/// The known block types, with the roles that may send them and their fields other than `type`.
const BLOCKS: [(&str, &[Role], &[&str]); 9] = [
    ("text", &[Role::User, Role::Assistant, Role::System], &["text", "citations", "cache_control"]),
    ("thinking", &[Role::Assistant], &["thinking", "signature"]),
    ("redacted_thinking", &[Role::Assistant], &["data"]),
    ("tool_use", &[Role::Assistant], &["id", "name", "input", "caller", "cache_control"]),
    ("tool_result", &[Role::User], &["tool_use_id", "content", "is_error", "cache_control"]),
    ("server_tool_use", &[Role::Assistant], &["id", "name", "input", "caller", "cache_control"]),
    ("web_search_tool_result", &[Role::Assistant], &["tool_use_id", "content", "caller", "cache_control"]),
    ("image", &[Role::User], &["source", "cache_control"]),
    ("document", &[Role::User], &["source", "title", "context", "citations", "cache_control"]),
];

/// `system`: text blocks only.
pub(crate) fn system(request: &Request) -> Result<(), ApiError> {
    for (position, block) in request.system.iter().enumerate() {
        if block["type"] != "text" {
            return Err(ApiError::invalid(format!("system.{position}.type: Input should be 'text'")));
        }
        check_block(block, Role::System, "system", &format!("system.{position}"))?;
    }
    Ok(())
}

pub(crate) fn list(request: &Request) -> Result<(), ApiError> {
    let messages = &request.messages;
    if messages.is_empty() {
        return Err(ApiError::invalid("messages: at least one message is required"));
    }
    if messages.len() > MAX_MESSAGES {
        return Err(ApiError::invalid("messages: List should have at most 100000 items after validation"));
    }
    for (number, message) in messages.iter().enumerate() {
        check(message, &format!("messages.{number}"))?;
    }
    if messages.first().is_some_and(|first| first.role != Role::User) {
        return Err(ApiError::invalid("messages: first message must use the \"user\" role"));
    }
    if messages.last().is_some_and(|last| last.role == Role::Assistant) {
        return Err(ApiError::invalid(
            "This model does not support assistant message prefill. The conversation must end with a user message.",
        ));
    }
    Ok(())
}

fn check(message: &Message, path: &str) -> Result<(), ApiError> {
    if message.blocks.is_empty() {
        return Err(ApiError::invalid(format!(
            "{path}: all messages must have non-empty content except for the optional final assistant message"
        )));
    }
    for (position, block) in message.blocks.iter().enumerate() {
        check_block(block, message.role, "messages", &format!("{path}.content.{position}"))?;
    }
    Ok(())
}

/// Checks a block. `field` is `system` or `messages`; some of the API's messages name only this.
fn check_block(block: &Value, role: Role, field: &str, path: &str) -> Result<(), ApiError> {
    let kind = block["type"].as_str().ok_or_else(|| ApiError::missing_field(&format!("{path}.type")))?;
    let Some((_, roles, known)) = BLOCKS.iter().find(|(name, ..)| *name == kind) else {
        let expected: Vec<String> = BLOCKS.iter().map(|(name, ..)| format!("'{name}'")).collect();
        return Err(ApiError::invalid(format!(
            "{path}: Input tag '{kind}' found using 'type' does not match any of the expected tags: {}",
            expected.join(", ")
        )));
    };
    if !roles.contains(&role) {
        let message = path.split(".content").next().unwrap_or(path);
        let allowed = roles.first().map_or("user", |role| role.name());
        return Err(ApiError::invalid(format!("{message}: `{kind}` blocks can only be in `{allowed}` messages")));
    }
    let mut fields = block.as_object().into_iter().flat_map(Map::keys);
    if let Some(name) = fields.find(|name| *name != "type" && !known.contains(&name.as_str())) {
        return Err(ApiError::extra_field(&format!("{path}.{kind}.{name}")));
    }
    let required: &[&str] = match kind {
        "text" => &["text"],
        "thinking" => &["thinking", "signature"],
        "redacted_thinking" => &["data"],
        "tool_use" | "server_tool_use" => &["id", "name", "input"],
        "tool_result" => &["tool_use_id"],
        "web_search_tool_result" => &["tool_use_id", "content"],
        _ => &["source"],
    };
    if let Some(name) = required.iter().find(|name| block.get(**name).is_none()) {
        return Err(ApiError::missing_field(&format!("{path}.{kind}.{name}")));
    }
    match kind {
        "text" => check_text(block, role, field, path),
        "tool_use" => check_tool_use(block, path),
        "tool_result" => check_result(block, path),
        _ => Ok(()),
    }
}

fn check_text(block: &Value, role: Role, field: &str, path: &str) -> Result<(), ApiError> {
    let text = block["text"].as_str();
    let text = text.ok_or_else(|| ApiError::invalid(format!("{path}.text.text: Input should be a valid string")))?;
    if text.is_empty() {
        return Err(ApiError::invalid(format!("{field}: text content blocks must be non-empty")));
    }
    if text.trim().is_empty() {
        return Err(ApiError::invalid(format!("{field}: text content blocks must contain non-whitespace text")));
    }
    if role == Role::User && block["citations"].as_array().is_some_and(|citations| !citations.is_empty()) {
        return Err(ApiError::extra_field(&format!("{path}.text.citations")));
    }
    Ok(())
}

fn check_tool_use(block: &Value, path: &str) -> Result<(), ApiError> {
    if !block["id"].as_str().is_some_and(is_word) {
        return Err(ApiError::invalid(format!("{path}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")));
    }
    if !block["name"].as_str().is_some_and(is_word) {
        return Err(ApiError::invalid(format!(
            "{path}.tool_use.name: String should match pattern '^[a-zA-Z0-9_-]{{1,200}}$'"
        )));
    }
    if !block["input"].is_object() {
        return Err(ApiError::invalid(format!("{path}.tool_use.input: Input should be a valid dictionary")));
    }
    Ok(())
}

fn check_result(block: &Value, path: &str) -> Result<(), ApiError> {
    let parts = block.get("content").and_then(Value::as_array).into_iter().flatten();
    for (position, part) in parts.enumerate() {
        let path = format!("{path}.tool_result.content.{position}");
        match part["type"].as_str() {
            Some("text" | "image" | "document") => check_block(part, Role::User, "messages", &path)?,
            Some("search_result" | "tool_reference" | "browser_state") => {}
            Some(_) | None => {
                return Err(ApiError::invalid(format!(
                    "{path}.type: Input should be 'text', 'image', 'document', 'search_result', 'tool_reference' \
                     or 'browser_state'"
                )));
            }
        }
    }
    Ok(())
}
