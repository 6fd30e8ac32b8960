//! The parts of a model's reply, in the log and in the port.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The only key of a tool call's input that is not JSON; its value is the text of the input. The service demands an object as
/// input, so such a call can be sent back.
pub const INCOMPLETE_INPUT: &str = "_incomplete_json";

/// A content block of a reply, as far as it is read here. The stored message keeps all blocks as received.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ContentBlock {
    /// Text for the user.
    Text { text: String },
    /// The service's summary of the model's thinking; may be empty.
    Thinking { thinking: String },
    /// A tool call.
    ToolUse {
        /// As received; [`call_ids`](crate::call_ids) makes the call's id of it.
        #[serde(default)]
        id: String,
        /// The tool, which may not exist.
        name: String,
        /// Not validated.
        #[serde(default)]
        input: Value,
    },
    /// A block of another type.
    #[serde(other)]
    Other,
}

/// Why a reply ended, in the words of the Claude Messages API (`stop_reason`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The model finished.
    EndTurn,
    /// The model waits for the results of its tool calls.
    ToolUse,
    /// The reply reached `max_tokens` and was cut.
    MaxTokens,
    /// The model wrote a stop sequence.
    StopSequence,
    /// A server-side tool paused; the reply is to be sent back to continue.
    PauseTurn,
    /// The model declined.
    Refusal,
    /// The conversation filled the model's context window.
    ModelContextWindowExceeded,
    /// A reason that is not known here.
    #[serde(untagged)]
    Other(String),
}

impl StopReason {
    /// Whether a reply without tool calls that ended for this reason means that the work is done.
    pub fn ends_work(&self) -> bool {
        match self {
            Self::EndTurn | Self::StopSequence | Self::Other(_) => true,
            Self::ToolUse | Self::MaxTokens | Self::PauseTurn | Self::Refusal | Self::ModelContextWindowExceeded => {
                false
            }
        }
    }
}

/// Tokens of one call, as billed. The input is the sum of the first three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Usage {
    /// Input that was neither read from nor written to the prompt cache.
    pub input_tokens: u64,
    /// Input read from the prompt cache.
    pub cache_read_tokens: u64,
    /// Input written to the prompt cache.
    pub cache_write_tokens: u64,
    /// Thinking included.
    pub output_tokens: u64,
}

impl Usage {
    /// Length of the conversation that was sent: the whole input.
    pub fn context_tokens(&self) -> u64 {
        self.input_tokens + self.cache_read_tokens + self.cache_write_tokens
    }
}
