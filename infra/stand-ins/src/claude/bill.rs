//! What the service would bill.

use super::cache::Prompt;

/// One reply, whole or broken off, in tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The model.
    pub model: String,
    /// Input that was neither read from nor written to the cache.
    pub input: u64,
    /// Input read from the cache.
    pub cache_read: u64,
    /// Input written to it for five minutes.
    pub cache_write_5m: u64,
    /// Input written to it for an hour.
    pub cache_write_1h: u64,
    /// What was written, thinking included.
    pub output: u64,
    /// Whether the reply was sent to its end.
    pub whole: bool,
}

impl Charge {
    pub(crate) fn of(model: &str, prompt: Prompt, output: u64, whole: bool) -> Self {
        Self {
            model: model.to_owned(),
            input: prompt.input,
            cache_read: prompt.read,
            cache_write_5m: prompt.written_5m,
            cache_write_1h: prompt.written_1h,
            output,
            whole,
        }
    }
}
