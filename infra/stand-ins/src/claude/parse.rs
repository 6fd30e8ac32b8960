//! Parses a body into a [`Request`]; refuses, in the API's words, what does not have its shape.

use serde_json::{Map, Value, json};

use super::api_error::ApiError;
use super::models::Model;
use super::request::{Message, Purpose, Request, Role};

/// The fields of a body.
pub(crate) fn body(bytes: &[u8]) -> Result<Map<String, Value>, ApiError> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(body)) => Ok(body),
        Ok(_) => Err(ApiError::invalid("Input should be a valid dictionary")),
        Err(error) => Err(ApiError::invalid(format!("The request body is not valid JSON: {error}"))),
    }
}

pub(crate) fn request(body: Map<String, Value>, purpose: Purpose) -> Result<Request, ApiError> {
    Ok(Request {
        model: model(&body)?,
        max_tokens: max_tokens(&body, purpose)?,
        stream: stream(&body)?,
        system: system(&body)?,
        tools: tools(&body)?,
        messages: messages(&body)?,
        body,
    })
}

fn model(body: &Map<String, Value>) -> Result<&'static Model, ApiError> {
    let name = required(body, "model")?.as_str();
    let name = name.ok_or_else(|| ApiError::invalid("model: Input should be a valid string"))?;
    Model::find(name).ok_or_else(|| ApiError::new(404, format!("model: {name}")))
}

fn max_tokens(body: &Map<String, Value>, purpose: Purpose) -> Result<u64, ApiError> {
    if purpose == Purpose::CountTokens && !body.contains_key("max_tokens") {
        return Ok(0);
    }
    let number = required(body, "max_tokens")?.as_u64();
    number.ok_or_else(|| ApiError::invalid("max_tokens: Input should be a valid integer"))
}

fn stream(body: &Map<String, Value>) -> Result<bool, ApiError> {
    match body.get("stream") {
        None => Ok(false),
        Some(value) => value.as_bool().ok_or_else(|| ApiError::invalid("stream: Input should be a valid boolean")),
    }
}

fn system(body: &Map<String, Value>) -> Result<Vec<Value>, ApiError> {
    match body.get("system") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(system) => blocks(system).ok_or_else(|| ApiError::invalid("system: Input should be a valid list")),
    }
}

fn tools(body: &Map<String, Value>) -> Result<Vec<Value>, ApiError> {
    match body.get("tools") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(tools)) => Ok(tools.clone()),
        Some(_) => Err(ApiError::invalid("tools: Input should be a valid list")),
    }
}

fn messages(body: &Map<String, Value>) -> Result<Vec<Message>, ApiError> {
    let list = required(body, "messages")?.as_array();
    let list = list.ok_or_else(|| ApiError::invalid("messages: Input should be a valid list"))?;
    list.iter().enumerate().map(|(number, value)| message(value, &format!("messages.{number}"))).collect()
}

fn message(value: &Value, path: &str) -> Result<Message, ApiError> {
    let fields = value.as_object().ok_or_else(|| ApiError::invalid(format!("{path}: Input should be an object")))?;
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
    let blocks = blocks(content);
    let blocks = blocks.ok_or_else(|| ApiError::invalid(format!("{path}.content: Input should be a valid list")))?;
    Ok(Message { role, blocks })
}

/// Content as a list of blocks; a string is a single text block.
fn blocks(content: &Value) -> Option<Vec<Value>> {
    match content {
        Value::String(text) => Some(vec![json!({ "type": "text", "text": text })]),
        Value::Array(blocks) => Some(blocks.clone()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

fn required<'a>(body: &'a Map<String, Value>, name: &str) -> Result<&'a Value, ApiError> {
    body.get(name).ok_or_else(|| ApiError::missing_field(name))
}
