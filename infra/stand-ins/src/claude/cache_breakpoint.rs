//! A cache breakpoint: the field `cache_control` of a block, or of the request.

use std::time::Duration;

use serde_json::Value;

use super::api_error::ApiError;
use super::request::Request;

/// How long the prefix up to a breakpoint is cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifetime {
    FiveMinutes,
    Hour,
}

impl Lifetime {
    pub(crate) fn duration(self) -> Duration {
        match self {
            Self::FiveMinutes => Duration::from_secs(5 * 60),
            Self::Hour => Duration::from_secs(60 * 60),
        }
    }
}

/// The breakpoint of a block itself. `path` names the block in an error.
pub(crate) fn of_block(block: &Value, path: &str) -> Result<Option<Lifetime>, ApiError> {
    parse(block.get("cache_control"), path)
}

/// The breakpoints of the parts of a block's content, as a tool's result has them.
pub(crate) fn of_parts(block: &Value, path: &str) -> Result<Vec<Lifetime>, ApiError> {
    let parts = block.get("content").and_then(Value::as_array).into_iter().flatten();
    parts.filter_map(|part| of_block(part, path).transpose()).collect()
}

/// The breakpoint of the request, which the service sets on the last block.
pub(crate) fn automatic(request: &Request) -> Result<Option<Lifetime>, ApiError> {
    parse(request.body.get("cache_control"), "request")
}

fn parse(field: Option<&Value>, path: &str) -> Result<Option<Lifetime>, ApiError> {
    let Some(cache_control) = field.filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    if cache_control["type"] != "ephemeral" {
        return Err(ApiError::invalid(format!("{path}.cache_control.type: Input should be 'ephemeral'")));
    }
    match cache_control.get("ttl").map(Value::as_str) {
        None | Some(Some("5m")) => Ok(Some(Lifetime::FiveMinutes)),
        Some(Some("1h")) => Ok(Some(Lifetime::Hour)),
        Some(_) => Err(ApiError::invalid(format!("{path}.cache_control.ttl: Input should be '5m' or '1h'"))),
    }
}
