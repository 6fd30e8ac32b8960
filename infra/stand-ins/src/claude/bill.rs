//! The charges that the service would bill.

use super::cache::PromptTokens;

/// What is billed for one reply, complete or broken off, in tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The model's id.
    pub model: String,
    /// Input that was neither read from nor written to the prompt cache.
    pub input: u64,
    /// Input read from the cache.
    pub cache_read: u64,
    /// Input written to the cache for five minutes.
    pub cache_write_5m: u64,
    /// Input written to the cache for an hour.
    pub cache_write_1h: u64,
    /// Output, thinking included.
    pub output: u64,
    /// Whether the reply was sent to its end.
    pub complete: bool,
}

impl Charge {
    pub(crate) fn new(model: &str, prompt: PromptTokens, output: u64, complete: bool) -> Self {
        Self {
            model: model.to_owned(),
            input: prompt.input,
            cache_read: prompt.read,
            cache_write_5m: prompt.written_5m,
            cache_write_1h: prompt.written_1h,
            output,
            complete,
        }
    }
}
