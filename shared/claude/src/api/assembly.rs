//! Assembles the message of a reply from the events of its stream.

use domain::{RawJson, ReplyPiece};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::block::Block;
use super::object::Object;
use super::usage::{self, BYTES_PER_TOKEN};
use crate::models::Tokens;

/// Maximum blocks of a reply, far above what a reply of 128K tokens has, so that a faulty peer cannot fill the memory.
const MAX_BLOCKS: usize = 10_000;

/// A stream that is not a valid reply.
#[derive(Debug, thiserror::Error)]
pub(super) enum AssemblyError {
    #[error("an event of the stream could not be read: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("the events of the stream are out of order: {0}")]
    OutOfOrder(&'static str),
    /// An `error` event: the service gave up in mid-stream.
    #[error("the service reported an error")]
    Reported,
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

/// A message that is being assembled.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    message: Option<Object>,
    usage: Object,
    blocks: Vec<Block>,
    /// What the model has written.
    output_bytes: usize,
    is_complete: bool,
}

impl Assembly {
    /// Applies the data of one event. Events of unknown types are ignored, because the API may add some.
    pub(super) fn add(&mut self, event: &str, live: &dyn Fn(ReplyPiece<'_>)) -> Result<(), AssemblyError> {
        let kind = serde_json::from_str(event)?;
        match kind {
            Kind::MessageStart => self.start(serde_json::from_str::<MessageStart>(event)?.message)?,
            Kind::ContentBlockStart => self.start_block(serde_json::from_str(event)?, live)?,
            Kind::ContentBlockDelta => {
                let BlockDelta { index, delta } = serde_json::from_str(event)?;
                self.output_bytes += self.open_block(index)?.add(&delta, live)?;
            }
            Kind::ContentBlockStop => {
                let BlockStop { index } = serde_json::from_str(event)?;
                self.open_block(index)?.stop()?;
            }
            Kind::MessageDelta => self.apply_message_delta(serde_json::from_str(event)?)?,
            Kind::MessageStop => self.stop()?,
            Kind::Error => return Err(AssemblyError::Reported),
            Kind::Other => {}
        }
        Ok(())
    }

    /// Whether `message_stop` has arrived.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Whether a block has begun.
    pub(super) fn has_content(&self) -> bool {
        !self.blocks.is_empty()
    }

    /// The tokens counted so far. The service counts the output only at the end; until then it is estimated from what was
    /// received, at [`BYTES_PER_TOKEN`].
    pub(super) fn tokens(&self) -> Tokens {
        let mut tokens = usage::read(&self.usage);
        if !self.is_complete {
            tokens.output = tokens.output.max((self.output_bytes as u64).div_ceil(BYTES_PER_TOKEN));
        }
        tokens
    }

    /// The complete message, with every field where the service put it.
    pub(super) fn finish(mut self) -> Result<RawJson, AssemblyError> {
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
        // The service begins blocks without content, but the API does not promise it.
        for name in ["text", "thinking"] {
            if let Some(text) = start.content_block.text(name).filter(|text| !text.is_empty()) {
                self.output_bytes += text.len();
                live(if name == "text" { ReplyPiece::Text(&text) } else { ReplyPiece::Thinking(&text) });
            }
        }
        self.blocks.push(Block::start(start.content_block));
        Ok(())
    }

    fn open_block(&mut self, index: usize) -> Result<&mut Block, AssemblyError> {
        let block = self.blocks.get_mut(index).filter(|block| block.is_open());
        block.ok_or(AssemblyError::OutOfOrder("an event concerns a block that is not open"))
    }

    /// Applies a `message_delta`: the fields of its `delta` and of the event itself become fields of the message. Its usage is
    /// cumulative and replaces what was counted before.
    fn apply_message_delta(&mut self, event: Object) -> Result<(), AssemblyError> {
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
                    let stated = usage.into_raw_fields().filter(|(_, value)| value.get() != "null");
                    stated.for_each(|(name, value)| self.usage.set(&name, value));
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
        self.is_complete = true;
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
        let shown = RefCell::new(String::new());
        let live = |piece: ReplyPiece<'_>| match piece {
            ReplyPiece::Text(text) | ReplyPiece::Thinking(text) => shown.borrow_mut().push_str(text),
        };
        let mut assembly = Assembly::default();
        for line in events.lines().filter(|line| !line.is_empty()) {
            assembly.add(line, &live)?;
        }
        assert!(assembly.is_complete(), "the stream has no end");
        let tokens = assembly.tokens();
        Ok((assembly.finish()?.as_str().to_owned(), tokens, shown.into_inner()))
    }

    #[test]
    fn every_block_keeps_every_field_in_order() {
        let (message, tokens, shown) = assemble(include_str!("../../fixtures/many-blocks.jsonl")).unwrap();
        assert_eq!(message, include_str!("../../fixtures/many-blocks.message.json").trim_end());
        assert_eq!((tokens.input, tokens.cache_read, tokens.output), (12, 2048, 77));
        assert_eq!(shown, "Look at itLet me “see”.");
    }

    #[test]
    fn a_tool_call_cut_by_the_length_limit_is_marked_as_incomplete() {
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
    fn a_block_of_an_unknown_type_keeps_all_of_its_fields() {
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
    fn events_out_of_order_are_an_error() {
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
    fn until_the_end_the_output_is_estimated_from_what_was_received() {
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
