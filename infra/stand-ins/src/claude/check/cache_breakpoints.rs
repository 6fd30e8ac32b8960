//! Number and order of the cache breakpoints.

use crate::claude::api_error::ApiError;
use crate::claude::cache_breakpoint::{Lifetime, automatic, of_block, of_parts};
use crate::claude::request::Request;

/// The API's limit.
const MAX_BREAKPOINTS: usize = 4;

pub(crate) fn check(request: &Request) -> Result<(), ApiError> {
    let mut breakpoints = Vec::new();
    for (path, block) in request.blocks() {
        breakpoints.extend(of_block(block, path)?);
        breakpoints.extend(of_parts(block, path)?);
    }
    breakpoints.extend(automatic(request)?);
    if breakpoints.len() > MAX_BREAKPOINTS {
        return Err(ApiError::invalid(format!(
            "A maximum of 4 blocks with cache_control may be provided. Found {}.",
            breakpoints.len()
        )));
    }
    if breakpoints.is_sorted_by_key(|lifetime| *lifetime == Lifetime::FiveMinutes) {
        return Ok(());
    }
    Err(ApiError::invalid(
        "cache_control: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. Note that \
         blocks are processed in the following order: `tools`, `system`, `messages`.",
    ))
}
