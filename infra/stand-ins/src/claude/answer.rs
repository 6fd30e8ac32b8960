//! The content of a reply: blocks, stop reason, tokens.

use serde_json::{Map, Value, json};

use super::cache::PromptTokens;
use super::digest::Digest;
use super::play::NextReply;
use super::request::Request;
use super::script::{Stop, ToolCall, Turn};
use super::signature::Binding;

/// A reply that is ready to be sent.
pub(crate) struct Answer {
    pub(crate) id: String,
    pub(crate) model: String,
    pub(crate) blocks: Vec<Block>,
    pub(crate) stop: Stop,
    pub(crate) prompt: PromptTokens,
    pub(crate) output_tokens: u64,
    pub(crate) diagnostics: Value,
    refusal: Value,
}

/// A block of a reply.
pub(crate) enum Block {
    Thinking {
        thinking: String,
        signature: String,
    },
    Text(String),
    /// The input is JSON text, which the length limit may have truncated.
    ToolUse {
        id: String,
        name: String,
        input: String,
    },
    /// A block of the script, as it is. A tool call's input is sent as text, like that of every call.
    Raw {
        block: Map<String, Value>,
        input: String,
    },
}

/// The reply after the last turn.
const SCRIPT_ENDED: &str = "The script has ended: it has no further turn.";

impl Answer {
    /// Writes the next reply. Its ids derive from `conversation`, a digest of everything before it.
    pub(crate) fn write(
        next: &NextReply<'_>,
        request: &Request,
        binding: &Binding,
        conversation: &Digest,
        prompt: PromptTokens,
    ) -> Self {
        let (blocks, stop) = match next {
            NextReply::Turn(turn) => (turn_blocks(turn, request, binding, conversation), turn_stop(turn)),
            NextReply::Plan(plan) => (vec![Block::Text(plan.to_string())], Stop::EndTurn),
            NextReply::ScriptEnded => (vec![Block::Text(SCRIPT_ENDED.to_owned())], Stop::EndTurn),
        };
        let (blocks, stop) = truncate(blocks, stop, request.max_tokens);
        let bytes: usize = blocks.iter().map(Block::len).sum();
        Self {
            id: conversation.id("msg"),
            model: request.model.id.clone(),
            blocks,
            stop,
            prompt,
            output_tokens: (bytes as u64).div_ceil(4).max(1).min(request.max_tokens),
            diagnostics: Value::Null,
            refusal: match next {
                NextReply::Turn(turn) => turn.refusal(),
                NextReply::Plan(_) | NextReply::ScriptEnded => Value::Null,
            },
        }
    }

    /// The message as the answer to a request without `stream`.
    pub(crate) fn message(&self) -> Value {
        let mut message = self.message_start();
        message["content"] = self.blocks.iter().map(Block::message).collect();
        message["stop_reason"] = json!(self.stop.name());
        message["usage"] = self.prompt.usage(self.output_tokens);
        message["stop_details"] = self.stop_details();
        message
    }

    /// The message in the event `message_start`.
    pub(crate) fn message_start(&self) -> Value {
        json!({
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": [],
            "stop_reason": null,
            "stop_sequence": null,
            "stop_details": null,
            "diagnostics": self.diagnostics,
            "usage": self.prompt.usage(1.min(self.output_tokens)),
        })
    }

    pub(crate) fn stop_details(&self) -> Value {
        match self.stop {
            Stop::Refusal => self.refusal.clone(),
            Stop::EndTurn
            | Stop::MaxTokens
            | Stop::StopSequence
            | Stop::ToolUse
            | Stop::PauseTurn
            | Stop::ModelContextWindowExceeded => Value::Null,
        }
    }
}

impl Block {
    /// The block of a message that is not streamed. Truncated input, which is not JSON, is replaced by `{}`.
    fn message(&self) -> Value {
        match self {
            Self::Thinking { thinking, signature } => {
                json!({ "type": "thinking", "thinking": thinking, "signature": signature })
            }
            Self::Text(text) => json!({ "type": "text", "text": text, "citations": null }),
            Self::ToolUse { id, name, input } => {
                let input = serde_json::from_str(input).unwrap_or_else(|_| json!({}));
                json!({ "type": "tool_use", "id": id, "name": name, "input": input, "caller": { "type": "direct" } })
            }
            Self::Raw { block, .. } => Value::Object(block.clone()),
        }
    }

    fn len(&self) -> usize {
        self.output().len()
    }

    /// What counts as the model's output.
    pub(crate) fn output(&self) -> &str {
        match self {
            Self::Thinking { thinking, .. } => thinking,
            Self::Text(text) => text,
            Self::ToolUse { input, .. } | Self::Raw { input, .. } => input,
        }
    }

    fn truncate(&mut self, bytes: usize) {
        match self {
            // Truncated thinking would not match its signature.
            Self::Thinking { .. } | Self::Raw { .. } => {}
            Self::Text(text) | Self::ToolUse { input: text, .. } => {
                text.truncate(text.floor_char_boundary(bytes.max(1)));
            }
        }
    }
}

fn turn_stop(turn: &Turn) -> Stop {
    let calls = !turn.tools.is_empty() || turn.content.iter().any(is_call);
    turn.stop.unwrap_or(if calls { Stop::ToolUse } else { Stop::EndTurn })
}

fn is_call(block: &Map<String, Value>) -> bool {
    block.get("type").is_some_and(|kind| kind == "tool_use")
}

/// A script may write an input that is not JSON, as a text.
fn raw(block: &Map<String, Value>) -> Block {
    let input = match block.get("input").filter(|_| is_call(block)) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(input @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_))) => input.to_string(),
    };
    Block::Raw { block: block.clone(), input }
}

fn turn_blocks(turn: &Turn, request: &Request, binding: &Binding, conversation: &Digest) -> Vec<Block> {
    let thinking = turn.thinking.as_ref().zip(request.shows_thinking()).map(|(thinking, shown)| {
        let thinking = if shown { thinking.clone() } else { String::new() };
        Block::Thinking { signature: binding.sign(&thinking), thinking }
    });
    let text = turn.text.clone().filter(|text| !text.trim().is_empty()).map(Block::Text);
    let tools = turn.tools.iter().enumerate().map(|(number, ToolCall { name, input })| {
        let mut digest = conversation.clone();
        digest.add_text(&format!("call {number}"));
        let input = Value::Object(input.clone()).to_string();
        Block::ToolUse { id: digest.id("toolu"), name: name.clone(), input }
    });
    thinking.into_iter().chain(text).chain(turn.content.iter().map(raw)).chain(tools).collect()
}

/// Ends a reply at the length limit, or in the middle of its last block if the script says `max_tokens`.
fn truncate(mut blocks: Vec<Block>, stop: Stop, max_tokens: u64) -> (Vec<Block>, Stop) {
    let total: usize = blocks.iter().map(Block::len).sum();
    let mut room = usize::try_from(max_tokens.saturating_mul(4)).unwrap_or(usize::MAX);
    if stop == Stop::MaxTokens {
        room = room.min(total - blocks.last().map_or(0, |last| last.len().div_ceil(2)));
    }
    if max_tokens == 0 {
        return (Vec::new(), Stop::MaxTokens);
    }
    if total <= room {
        return (blocks, stop);
    }
    let mut count = 0;
    for block in &mut blocks {
        if room == 0 {
            break;
        }
        count += 1;
        let length = block.len();
        if length > room {
            block.truncate(room);
        }
        room = room.saturating_sub(length);
    }
    blocks.truncate(count);
    (blocks, Stop::MaxTokens)
}
