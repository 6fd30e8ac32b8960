//! The message of a reply, put together from the events of its stream.

use domain::{RawJson, ReplyPiece};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::block::Block;
use crate::object::Object;
use crate::prices::Tokens;

/// The one key of a tool call's input that could not be read, because the reply was cut inside it: its value is the
/// text as far as it came. No tool has a parameter of this name, so such a call cannot be carried out by accident, and
/// the block can still be sent back, because the API wants an object there.
pub const INCOMPLETE_INPUT: &str = "_incomplete_json";

/// No reply of 128K tokens comes near this many blocks.
const MAX_BLOCKS: usize = 10_000;

/// Why a stream is not, or not yet, a reply.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AssemblyError {
    #[error("an event of the stream could not be read: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("the events of the stream are out of order: {0}")]
    OutOfOrder(&'static str),
    #[error("{kind}: {message}")]
    Reported { kind: String, message: String },
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Kind {
    MessageStart,
    ContentBlockStart,
    ContentBlockDelta,
    ContentBlockStop,
    MessageDelta,
    MessageStop,
    Error,
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct MessageStart {
    message: Object,
}

#[derive(Deserialize)]
struct BlockStart {
    index: usize,
    content_block: Object,
}

#[derive(Deserialize)]
struct BlockDelta {
    index: usize,
    delta: Box<RawValue>,
}

#[derive(Deserialize)]
struct BlockStop {
    index: usize,
}

#[derive(Deserialize)]
struct Reported {
    error: ReportedError,
}

#[derive(Deserialize)]
struct ReportedError {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    message: String,
}

/// A message in the making.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    message: Option<Object>,
    usage: Object,
    blocks: Vec<Block>,
    written_bytes: usize,
    stopped: bool,
}

impl Assembly {
    /// Takes the data of one event. Events of types we do not know change nothing.
    pub(crate) fn add(&mut self, event: &str, live: &dyn Fn(ReplyPiece<'_>)) -> Result<(), AssemblyError> {
        let kind = serde_json::from_str(event)?;
        match kind {
            Kind::MessageStart => self.start(serde_json::from_str::<MessageStart>(event)?.message)?,
            Kind::ContentBlockStart => self.start_block(serde_json::from_str(event)?, live)?,
            Kind::ContentBlockDelta => {
                let BlockDelta { index, delta } = serde_json::from_str(event)?;
                self.written_bytes += self.open_block(index)?.add(&delta, live)?;
            }
            Kind::ContentBlockStop => {
                let BlockStop { index } = serde_json::from_str(event)?;
                self.open_block(index)?.stop()?;
            }
            Kind::MessageDelta => self.change(serde_json::from_str(event)?)?,
            Kind::MessageStop => self.stop()?,
            Kind::Error => {
                let Reported { error } = serde_json::from_str(event)?;
                return Err(AssemblyError::Reported { kind: error.kind, message: error.message });
            }
            Kind::Other => {}
        }
        Ok(())
    }

    /// Whether the message is whole.
    pub(crate) fn is_whole(&self) -> bool {
        self.stopped
    }

    /// Whether any content has come.
    pub(crate) fn has_content(&self) -> bool {
        !self.blocks.is_empty()
    }

    /// The tokens counted so far. Until the end the service does not count what it writes, so what was received is
    /// then taken at three bytes a token where that is more.
    pub(crate) fn tokens(&self) -> Tokens {
        let mut tokens = Tokens::read(&self.usage);
        if !self.stopped {
            tokens.output = tokens.output.max((self.written_bytes as u64).div_ceil(3));
        }
        tokens
    }

    /// The whole message, every field in its place.
    pub(crate) fn finish(mut self) -> Result<RawJson, AssemblyError> {
        let mut message = self.message.take().ok_or(AssemblyError::OutOfOrder("there is no message"))?;
        let blocks: Vec<&Object> = self.blocks.iter().map(|block| &block.object).collect();
        message.set("content", raw(&blocks)?);
        message.set("usage", raw(&self.usage)?);
        Ok(RawJson::of(&message)?)
    }

    fn start(&mut self, message: Object) -> Result<(), AssemblyError> {
        if self.message.is_some() {
            return Err(AssemblyError::OutOfOrder("a second message begins"));
        }
        if let Some(usage) = message.get("usage") {
            self.usage = serde_json::from_str(usage.get())?;
        }
        self.message = Some(message);
        Ok(())
    }

    fn start_block(&mut self, start: BlockStart, live: &dyn Fn(ReplyPiece<'_>)) -> Result<(), AssemblyError> {
        if self.message.is_none() || start.index != self.blocks.len() || start.index >= MAX_BLOCKS {
            return Err(AssemblyError::OutOfOrder("a block begins that is not due"));
        }
        // Blocks begin empty, but nothing says that they must.
        for name in ["text", "thinking"] {
            if let Some(text) = start.content_block.text(name).filter(|text| !text.is_empty()) {
                self.written_bytes += text.len();
                live(if name == "text" { ReplyPiece::Text(&text) } else { ReplyPiece::Thinking(&text) });
            }
        }
        self.blocks.push(Block::start(start.content_block));
        Ok(())
    }

    fn open_block(&mut self, index: usize) -> Result<&mut Block, AssemblyError> {
        let block = self.blocks.get_mut(index).filter(|block| block.is_open());
        block.ok_or(AssemblyError::OutOfOrder("something is said about a block that is not open"))
    }

    /// `message_delta`: the fields of its `delta` and of the event itself are the message's, and its usage, which is
    /// cumulative, takes the place of what was counted before.
    fn change(&mut self, event: Object) -> Result<(), AssemblyError> {
        let message = self.message.as_mut().ok_or(AssemblyError::OutOfOrder("there is no message to change"))?;
        for (name, value) in event.into_raw_fields() {
            match name.as_str() {
                "type" => {}
                "delta" => {
                    let delta: Object = serde_json::from_str(value.get())?;
                    delta.into_raw_fields().for_each(|(name, value)| message.set(&name, value));
                }
                "usage" => {
                    let usage: Object = serde_json::from_str(value.get())?;
                    let given = usage.into_raw_fields().filter(|(_, value)| value.get() != "null");
                    given.for_each(|(name, value)| self.usage.set(&name, value));
                }
                _ => message.set(&name, value),
            }
        }
        Ok(())
    }

    fn stop(&mut self) -> Result<(), AssemblyError> {
        let message = self.message.as_ref().ok_or(AssemblyError::OutOfOrder("there is no message to end"))?;
        if self.blocks.iter().any(Block::is_open) {
            return Err(AssemblyError::OutOfOrder("the message ends inside a block"));
        }
        if message.text("stop_reason").is_none() {
            return Err(AssemblyError::OutOfOrder("the message ends without a reason"));
        }
        self.stopped = true;
        Ok(())
    }
}

fn raw(value: &impl Serialize) -> serde_json::Result<Box<RawValue>> {
    serde_json::value::to_raw_value(value)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn assemble(events: &str) -> Result<(String, Tokens, String), AssemblyError> {
        let seen = RefCell::new(String::new());
        let live = |piece: ReplyPiece<'_>| match piece {
            ReplyPiece::Text(text) | ReplyPiece::Thinking(text) => seen.borrow_mut().push_str(text),
        };
        let mut assembly = Assembly::default();
        for line in events.lines().filter(|line| !line.is_empty()) {
            assembly.add(line, &live)?;
        }
        assert!(assembly.is_whole(), "the stream has no end");
        let tokens = assembly.tokens();
        Ok((assembly.finish()?.as_str().to_owned(), tokens, seen.into_inner()))
    }

    #[test]
    fn every_block_keeps_every_field_in_order() {
        let (message, tokens, seen) = assemble(include_str!("../fixtures/many-blocks.jsonl")).unwrap();
        assert_eq!(message, include_str!("../fixtures/many-blocks.message.json").trim_end());
        assert_eq!((tokens.input, tokens.cache_read, tokens.output), (12, 2048, 77));
        assert_eq!(seen, "Look at itLet me “see”.");
    }

    #[test]
    fn a_tool_call_cut_by_the_length_limit_cannot_be_mistaken_for_a_whole_one() {
        let events = concat!(
            r#"{"type":"message_start","message":{"id":"m","content":[],"stop_reason":null,"usage":{"input_tokens":1,"output_tokens":1}}}"#,
            "\n",
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"bash","input":{}}}"#,
            "\n",
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"command\": \"rm -rf /tmp/"}}"#,
            "\n",
            r#"{"type":"content_block_stop","index":0}"#,
            "\n",
            r#"{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":9}}"#,
            "\n",
            r#"{"type":"message_stop"}"#,
        );
        let (message, _, _) = assemble(events).unwrap();
        assert!(message.contains(r#""input":{"_incomplete_json":"{\"command\": \"rm -rf /tmp/"}"#), "{message}");
    }

    #[test]
    fn a_block_of_another_kind_is_kept_whole_with_its_signature() {
        let events = concat!(
            r#"{"type":"message_start","message":{"id":"m","content":[],"stop_reason":null,"usage":{"input_tokens":0,"output_tokens":0}}}"#,
            "\n",
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"compaction","content":null,"encrypted_content":null,"signature":"sig"}}"#,
            "\n",
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"compaction_delta","content":"They wrote a.rs.","encrypted_content":"xyz"}}"#,
            "\n",
            r#"{"type":"content_block_stop","index":0}"#,
            "\n",
            r#"{"type":"message_delta","delta":{"stop_reason":"compaction"},"usage":{"output_tokens":0,"iterations":[{"type":"compaction","input_tokens":9,"output_tokens":4}]}}"#,
            "\n",
            r#"{"type":"message_stop"}"#,
        );
        let (message, _, _) = assemble(events).unwrap();
        let block = r#""content":[{"type":"compaction","content":"They wrote a.rs.","encrypted_content":"xyz","signature":"sig"}]"#;
        assert!(message.contains(block), "{message}");
    }

    #[test]
    fn what_is_out_of_order_is_no_reply() {
        let start = r#"{"type":"message_start","message":{"content":[],"stop_reason":null}}"#;
        let block = r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
        let late = r#"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}"#;
        let delta = r#"{"type":"content_block_delta","index":3,"delta":{"type":"text_delta","text":"x"}}"#;
        let reason = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{}}"#;
        let stop = r#"{"type":"message_stop"}"#;
        for (events, flaw) in [
            (vec![block], "a block begins that is not due"),
            (vec![stop], "there is no message to end"),
            (vec![start, start], "a second message begins"),
            (vec![start, late], "a block begins that is not due"),
            (vec![start, block, delta], "a block that is not open"),
            (vec![start, block, reason, stop], "the message ends inside a block"),
            (vec![start, stop], "the message ends without a reason"),
        ] {
            let error = assemble(&events.join("\n")).unwrap_err().to_string();
            assert!(error.contains(flaw), "{events:?}: {error}");
        }
    }

    #[test]
    fn until_the_end_what_was_received_is_counted_where_the_service_has_not() {
        let mut assembly = Assembly::default();
        for event in [
            r#"{"type":"message_start","message":{"content":[],"usage":{"input_tokens":5,"output_tokens":1}}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"0123456789"}}"#,
        ] {
            assembly.add(event, &|_| {}).unwrap();
        }
        assert_eq!((assembly.tokens().input, assembly.tokens().output), (5, 4));
    }
}
