//! The top-level fields of the body.

use serde_json::{Map, Value};

use crate::claude::api_error::ApiError;
use crate::claude::models::Thinking;
use crate::claude::request::{Purpose, Request, Version};

/// Accepted in every version.
const KNOWN: [&str; 18] = [
    "cache_control",
    "container",
    "diagnostics",
    "inference_geo",
    "max_tokens",
    "messages",
    "metadata",
    "model",
    "output_config",
    "service_tier",
    "speed",
    "stop_sequences",
    "stream",
    "system",
    "thinking",
    "tool_choice",
    "tools",
    "user_profile_id",
];
/// Removed in version 2026-10-21.
const SAMPLING: [&str; 3] = ["temperature", "top_p", "top_k"];
/// Accepted with an `anthropic-beta` header.
const BETA: [&str; 7] = [
    "billing_policy",
    "compaction",
    "context_management",
    "fallback_credit_token",
    "fallbacks",
    "mcp_servers",
    "thread",
];

/// Refuses unknown fields, fields that the version has removed, and a body that lacks a required field.
pub(crate) fn names(body: &Map<String, Value>, version: Version, beta: bool, purpose: Purpose) -> Result<(), ApiError> {
    let known = |name: &str| {
        KNOWN.contains(&name)
            || (version == Version::V2023 && SAMPLING.contains(&name))
            || (beta && BETA.contains(&name))
    };
    if let Some(name) = body.keys().find(|name| !known(name)) {
        return Err(ApiError::extra_field(name));
    }
    let required: &[&str] = match purpose {
        Purpose::Reply => &["model", "max_tokens", "messages"],
        Purpose::CountTokens => &["model", "messages"],
    };
    match required.iter().find(|name| !body.contains_key(**name)) {
        Some(name) => Err(ApiError::missing_field(name)),
        None => Ok(()),
    }
}

pub(crate) fn max_tokens(request: &Request) -> Result<(), ApiError> {
    let (asked, limit) = (request.max_tokens, request.model.output_tokens);
    if asked <= limit {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "max_tokens: {asked} > {limit}, which is the maximum allowed number of output tokens for {}",
        request.model.id
    )))
}

pub(crate) fn prompt_length(request: &Request) -> Result<(), ApiError> {
    let (tokens, limit) = (request.tokens(), request.model.context_tokens);
    if tokens <= limit {
        return Ok(());
    }
    Err(ApiError::invalid(format!("prompt is too long: {tokens} tokens > {limit} maximum")))
}

/// `thinking`. Current models accept only the types that they support.
pub(crate) fn thinking(request: &Request, beta: bool) -> Result<(), ApiError> {
    let Some(thinking) = request.body.get("thinking").filter(|thinking| !thinking.is_null()) else {
        return Ok(());
    };
    let fields = thinking.as_object().ok_or_else(|| ApiError::invalid("thinking: Input should be an object"))?;
    let known = |name: &str| matches!(name, "type" | "display" | "budget_tokens") || (beta && name == "block_binding");
    if let Some(name) = fields.keys().find(|name| !known(name)) {
        return Err(ApiError::extra_field(&format!("thinking.{name}")));
    }
    if let Some(display) = fields.get("display").and_then(Value::as_str)
        && !matches!(display, "summarized" | "omitted")
        && !(beta && display == "updates")
    {
        return Err(ApiError::invalid("thinking.display: Input should be 'summarized' or 'omitted'"));
    }
    let kind = fields.get("type").and_then(Value::as_str).ok_or_else(|| ApiError::missing_field("thinking.type"))?;
    let unsupported = || {
        ApiError::invalid(format!(
            "\"thinking.type.{kind}\" is not supported for this model. Use \"thinking.type.adaptive\" and \
             \"output_config.effort\" to control thinking behavior."
        ))
    };
    let supported = match (kind, request.model.thinking) {
        ("adaptive", Thinking::Budget) => {
            return Err(ApiError::invalid("adaptive thinking is not supported on this model"));
        }
        ("adaptive", Thinking::Always | Thinking::AlwaysOrBetweenTools | Thinking::Optional) => true,
        ("between_tools", model) => model == Thinking::AlwaysOrBetweenTools,
        ("disabled" | "enabled", _) => !request.model.is_current(),
        _ => {
            return Err(ApiError::invalid(format!(
                "thinking: Input tag '{kind}' found using 'type' does not match any of the expected tags: \
                 'adaptive', 'between_tools', 'disabled', 'enabled'"
            )));
        }
    };
    if !supported {
        return Err(unsupported());
    }
    if kind == "enabled" {
        let budget = fields.get("budget_tokens").and_then(Value::as_u64);
        let budget = budget.ok_or_else(|| ApiError::missing_field("thinking.enabled.budget_tokens"))?;
        if budget < 1024 {
            return Err(ApiError::invalid(
                "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
            ));
        }
        if budget >= request.max_tokens && request.max_tokens > 0 {
            return Err(ApiError::invalid("`max_tokens` must be greater than `thinking.budget_tokens`."));
        }
    }
    Ok(())
}

/// `output_config`: effort and format.
pub(crate) fn output_config(request: &Request) -> Result<(), ApiError> {
    let Some(config) = request.body.get("output_config") else {
        return Ok(());
    };
    let fields = config.as_object().ok_or_else(|| ApiError::invalid("output_config: Input should be an object"))?;
    if let Some(name) = fields.keys().find(|name| !matches!(name.as_str(), "effort" | "format")) {
        return Err(ApiError::extra_field(&format!("output_config.{name}")));
    }
    if let Some(effort) = fields.get("effort").filter(|effort| !effort.is_null())
        && !matches!(effort.as_str(), Some("low" | "medium" | "high" | "xhigh" | "max"))
    {
        return Err(ApiError::invalid(
            "output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'",
        ));
    }
    let Some(format) = fields.get("format").filter(|format| !format.is_null()) else {
        return Ok(());
    };
    if format["type"] != "json_schema" {
        return Err(ApiError::invalid("output_config.format.type: Input should be 'json_schema'"));
    }
    if !format["schema"].is_object() {
        return Err(ApiError::missing_field("output_config.format.schema"));
    }
    Ok(())
}
