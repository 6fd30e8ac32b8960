//! Tokens of a message: as the service counts them in `usage`, and as they are estimated.

use serde_json::Value;

use super::object::Object;
use crate::models::Tokens;

/// Bytes that an estimate takes for a token. Most text has more of them in a token, so estimates come out high rather than low.
pub(super) const BYTES_PER_TOKEN: u64 = 3;

/// Reads a `usage` object; a field that is absent or not a number counts as zero.
pub(super) fn read(usage: &Object) -> Tokens {
    let number = |name| usage.get(name).and_then(|raw| serde_json::from_str::<u64>(raw.get()).ok()).unwrap_or(0);
    let by_lifetime = usage.get("cache_creation").and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
    let hour = by_lifetime.and_then(|tokens| tokens.get("ephemeral_1h_input_tokens")?.as_u64()).unwrap_or(0);
    let written = number("cache_creation_input_tokens");
    // The total is what is billed, so a part never exceeds it.
    let cache_write_1h = hour.min(written);
    Tokens {
        input: number("input_tokens"),
        cache_read: number("cache_read_input_tokens"),
        cache_write_5m: written - cache_write_1h,
        cache_write_1h,
        output: number("output_tokens"),
    }
}
