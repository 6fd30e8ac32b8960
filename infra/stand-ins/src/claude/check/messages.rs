//! The messages and the system prompt, each by itself.

use serde_json::{Map, Value};

use crate::claude::api_error::ApiError;
use crate::claude::request::{Message, Role, blocks_of};

use super::tools::is_word;

const MAX_MESSAGES: usize = 100_000;

/// The block types that are looked into: who may say them, and their fields beside `type`.
const BLOCKS: [(&str, &[Role], &[&str]); 7] = [
    ("text", &[Role::User, Role::Assistant, Role::System], &["text", "citations", "cache_control"]),
    ("thinking", &[Role::Assistant], &["thinking", "signature"]),
    ("redacted_thinking", &[Role::Assistant], &["data"]),
    ("tool_use", &[Role::Assistant], &["id", "name", "input", "caller", "cache_control"]),
    ("tool_result", &[Role::User], &["tool_use_id", "content", "is_error", "cache_control"]),
    ("image", &[Role::User], &["source", "cache_control"]),
    ("document", &[Role::User], &["source", "title", "context", "citations", "cache_control"]),
];

/// `system`: a text or text blocks.
pub(crate) fn system(body: &Map<String, Value>) -> Result<Vec<Value>, ApiError> {
    let blocks = match body.get("system") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(system) => blocks_of(system).ok_or_else(|| ApiError::invalid("system: Input should be a valid list"))?,
    };
    for (position, block) in blocks.iter().enumerate() {
        if block["type"] != "text" {
            return Err(ApiError::invalid(format!("system.{position}.type: Input should be 'text'")));
        }
        check_block(block, Role::System, "system", &format!("system.{position}"))?;
    }
    Ok(blocks)
}

pub(crate) fn read(body: &Map<String, Value>) -> Result<Vec<Message>, ApiError> {
    let list =
        body["messages"].as_array().ok_or_else(|| ApiError::invalid("messages: Input should be a valid list"))?;
    if list.is_empty() {
        return Err(ApiError::invalid("messages: at least one message is required"));
    }
    if list.len() > MAX_MESSAGES {
        return Err(ApiError::invalid("messages: List should have at most 100000 items after validation"));
    }
    let messages = list.iter().enumerate().map(|(number, message)| read_one(message, number));
    let messages = messages.collect::<Result<Vec<_>, _>>()?;
    if messages.first().is_some_and(|first| first.role != Role::User) {
        return Err(ApiError::invalid("messages: first message must use the \"user\" role"));
    }
    if messages.last().is_some_and(|last| last.role == Role::Assistant) {
        return Err(ApiError::invalid(
            "This model does not support assistant message prefill. The conversation must end with a user message.",
        ));
    }
    Ok(messages)
}

fn read_one(message: &Value, number: usize) -> Result<Message, ApiError> {
    let path = format!("messages.{number}");
    let fields = message.as_object().ok_or_else(|| ApiError::invalid(format!("{path}: Input should be an object")))?;
    if let Some(name) = fields.keys().find(|name| !matches!(name.as_str(), "role" | "content")) {
        return Err(ApiError::extra_field(&format!("{path}.{name}")));
    }
    let role = match fields.get("role").and_then(Value::as_str) {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system") => Role::System,
        Some(_) => {
            return Err(ApiError::invalid(format!("{path}.role: Input should be 'user', 'assistant' or 'system'")));
        }
        None => return Err(ApiError::missing_field(&format!("{path}.role"))),
    };
    let content = fields.get("content").ok_or_else(|| ApiError::missing_field(&format!("{path}.content")))?;
    let blocks = blocks_of(content);
    let blocks = blocks.ok_or_else(|| ApiError::invalid(format!("{path}.content: Input should be a valid list")))?;
    if blocks.is_empty() {
        return Err(ApiError::invalid(format!(
            "{path}: all messages must have non-empty content except for the optional final assistant message"
        )));
    }
    for (position, block) in blocks.iter().enumerate() {
        check_block(block, role, "messages", &format!("{path}.content.{position}"))?;
    }
    Ok(Message { role, blocks })
}

fn check_block(block: &Value, role: Role, place: &str, path: &str) -> Result<(), ApiError> {
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
    let fields = block.as_object().into_iter().flat_map(Map::keys);
    if let Some(name) = fields.into_iter().find(|name| *name != "type" && !known.contains(&name.as_str())) {
        return Err(ApiError::extra_field(&format!("{path}.{kind}.{name}")));
    }
    let required: &[&str] = match kind {
        "text" => &["text"],
        "thinking" => &["thinking", "signature"],
        "redacted_thinking" => &["data"],
        "tool_use" => &["id", "name", "input"],
        "tool_result" => &["tool_use_id"],
        _ => &["source"],
    };
    if let Some(name) = required.iter().find(|name| block.get(**name).is_none()) {
        return Err(ApiError::missing_field(&format!("{path}.{kind}.{name}")));
    }
    match kind {
        "text" => check_text(block, role, place, path),
        "tool_use" => check_tool_use(block, path),
        "tool_result" => check_result(block, path),
        _ => Ok(()),
    }
}

fn check_text(block: &Value, role: Role, place: &str, path: &str) -> Result<(), ApiError> {
    let text = block["text"].as_str();
    let text = text.ok_or_else(|| ApiError::invalid(format!("{path}.text.text: Input should be a valid string")))?;
    if text.is_empty() {
        return Err(ApiError::invalid(format!("{place}: text content blocks must be non-empty")));
    }
    if text.trim().is_empty() {
        return Err(ApiError::invalid(format!("{place}: text content blocks must contain non-whitespace text")));
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
    let Some(inner) = block.get("content").filter(|content| content.is_array()) else {
        return Ok(());
    };
    for (position, part) in blocks_of(inner).unwrap_or_default().iter().enumerate() {
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
