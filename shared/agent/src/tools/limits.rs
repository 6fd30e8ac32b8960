//! Limits on time and output of tools.

use std::time::Duration;

/// Limits on time and output of tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolLimits {
    /// The longest that a command of the model may run.
    pub command: Duration,
    /// The longest that an operation of the toolbox may run.
    pub toolbox: Duration,
    /// The longest output that the model reads, in characters. A longer one is cut in the middle.
    pub output_characters: usize,
    /// How much of a longer output is kept in the sandbox for the model to look at, in bytes.
    pub kept_bytes: u64,
}

impl Default for ToolLimits {
    fn default() -> Self {
        Self {
            command: Duration::from_secs(300),
            toolbox: Duration::from_secs(120),
            output_characters: 30_000,
            kept_bytes: 10 * 1024 * 1024,
        }
    }
}
