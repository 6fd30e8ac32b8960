//! Limits on tool calls.

use std::time::Duration;

/// Limits on the time and the output of tool calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolLimits {
    /// Time limit of a shell command.
    pub command: Duration,
    /// Time limit of an operation of the toolbox.
    pub toolbox: Duration,
    /// Maximum output that the model reads. A longer one is cut in the middle.
    pub output_characters: usize,
    /// Maximum output that is kept in the sandbox, where the model can read what was cut.
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
