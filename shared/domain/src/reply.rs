//! What a reply of the model consists of: in the log as in the port.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::CallId;

/// A block of a reply, as far as we read it. Blocks of other types stay in the message as received.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ContentBlock {
    /// Text for the user.
    Text {
        /// The text.
        text: String,
    },
    /// A summary of the model's thinking; may be empty.
    Thinking {
        /// The summary.
        thinking: String,
    },
    /// A wish to use a tool.
    ToolUse {
        /// Names the call.
        id: CallId,
        /// The tool.
        name: String,
        /// Its input, which has not been checked.
        input: Value,
    },
    /// Some other block.
    #[serde(other)]
    Other,
}

/// Why a reply ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The model said all it wanted.
    EndTurn,
    /// It wants tools.
    ToolUse,
    /// It ran into `max_tokens`.
    MaxTokens,
    /// It met a stop sequence.
    StopSequence,
    /// A server-side tool asks to be continued.
    PauseTurn,
    /// It declined.
    Refusal,
    /// The conversation filled its window.
    ModelContextWindowExceeded,
    /// A reason we do not know.
    #[serde(untagged)]
    Other(String),
}

impl StopReason {
    /// Whether a reply without tool calls that stops so means that the work is done.
    pub fn ends_work(&self) -> bool {
        match self {
            Self::EndTurn | Self::StopSequence | Self::Other(_) => true,
            Self::ToolUse | Self::MaxTokens | Self::PauseTurn | Self::Refusal | Self::ModelContextWindowExceeded => {
                false
            }
        }
    }
}

/// Tokens of one reply. The whole input is the sum of the first three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Usage {
    /// Input that was neither read from nor written to the cache.
    pub input_tokens: u64,
    /// Input read from the prompt cache.
    pub cache_read_tokens: u64,
    /// Input written to the prompt cache.
    pub cache_write_tokens: u64,
    /// Output, thinking included.
    pub output_tokens: u64,
}

impl Usage {
    /// The length of the conversation that was sent.
    pub fn context_tokens(&self) -> u64 {
        self.input_tokens + self.cache_read_tokens + self.cache_write_tokens
    }
}
