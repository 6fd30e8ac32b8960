//! Cache marks: how many, of what kind, in which order.

use serde_json::Value;

use crate::claude::api_error::ApiError;
use crate::claude::request::Request;

const MAX_BREAKPOINTS: usize = 4;

/// How long a marked prefix is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifetime {
    FiveMinutes,
    Hour,
}

pub(crate) fn check(request: &Request) -> Result<(), ApiError> {
    let mut cache_breakpoints = Vec::new();
    for (place, block) in request.blocks() {
        cache_breakpoints.extend(read(block.get("cache_control"), place)?);
        let inner = block.get("content").and_then(Value::as_array).into_iter().flatten();
        for part in inner {
            cache_breakpoints.extend(read(part.get("cache_control"), place)?);
        }
    }
    cache_breakpoints.extend(automatic(request)?);
    if cache_breakpoints.len() > MAX_BREAKPOINTS {
        return Err(ApiError::invalid(format!(
            "A maximum of 4 blocks with cache_control may be provided. Found {}.",
            cache_breakpoints.len()
        )));
    }
    if cache_breakpoints.is_sorted_by_key(|lifetime| *lifetime == Lifetime::FiveMinutes) {
        return Ok(());
    }
    Err(ApiError::invalid(
        "cache_control: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. Note that \
         blocks are processed in the following order: `tools`, `system`, `messages`.",
    ))
}

/// The mark of the request as a whole, which stands for one on its last block.
pub(crate) fn automatic(request: &Request) -> Result<Option<Lifetime>, ApiError> {
    read(request.body.get("cache_control"), "request")
}

/// Reads a mark.
pub(crate) fn read(mark: Option<&Value>, place: &str) -> Result<Option<Lifetime>, ApiError> {
    let Some(mark) = mark.filter(|mark| !mark.is_null()) else {
        return Ok(None);
    };
    if mark["type"] != "ephemeral" {
        return Err(ApiError::invalid(format!("{place}.cache_control.type: Input should be 'ephemeral'")));
    }
    match mark.get("ttl").map(Value::as_str) {
        None | Some(Some("5m")) => Ok(Some(Lifetime::FiveMinutes)),
        Some(Some("1h")) => Ok(Some(Lifetime::Hour)),
        Some(_) => Err(ApiError::invalid(format!("{place}.cache_control.ttl: Input should be '5m' or '1h'"))),
    }
}
