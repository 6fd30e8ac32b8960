//! How a message is written.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{CallId, RawJson, ToolOutcome, TurnNumber};

use super::{CallResult, Message, Texts, TranscriptError};

#[derive(Serialize)]
struct UserMessageJson<'a> {
    role: &'static str,
    content: Vec<UserBlock<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum UserBlock<'a> {
    ToolResult {
        tool_use_id: &'a str,
        content: &'a str,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
    },
    Text {
        text: &'a str,
    },
}

/// The results of the last reply's calls in their order, then the messages. The service requires the results first.
pub(super) fn user_message(
    turn: TurnNumber,
    calls: &[CallId],
    results: &[CallResult],
    messages: &[Message],
    texts: &Texts,
) -> Result<RawJson, TranscriptError> {
    let mut blocks = Vec::with_capacity(calls.len() + messages.len());
    for id in calls {
        let result = results.iter().find(|result| result.call == *id);
        let result = result.ok_or_else(|| TranscriptError::NoResult(id.clone()))?;
        let output = texts.get(&result.output).ok_or_else(|| not_fetched(turn))?;
        blocks.push(UserBlock::ToolResult {
            tool_use_id: id.as_str(),
            content: if output.is_empty() { "(no output)" } else { output },
            is_error: result.outcome != ToolOutcome::Ok,
        });
    }
    blocks.extend(messages.iter().map(|message| UserBlock::Text { text: &message.text }));
    if blocks.is_empty() {
        return Err(TranscriptError::EmptyMessage(turn));
    }
    RawJson::of(&UserMessageJson { role: "user", content: blocks }).map_err(|error| unreadable(turn, &error))
}

/// The parts of a stored reply that are needed to send it back and to answer its tool calls.
pub(super) struct StoredReply<'a> {
    content: &'a RawValue,
    blocks: usize,
    pub(super) calls: Vec<CallId>,
}

impl<'a> StoredReply<'a> {
    pub(super) fn read(turn: TurnNumber, reply: &'a str) -> Result<Self, TranscriptError> {
        #[derive(Deserialize)]
        struct Message<'a> {
            #[serde(borrow)]
            content: &'a RawValue,
        }
        // Reads no more of a block than it takes to recognize a call: inputs may be long.
        #[derive(Deserialize)]
        struct Block {
            #[serde(rename = "type")]
            kind: String,
            id: Option<String>,
        }
        let unreadable = |error| unreadable(turn, &error);
        let Message { content } = serde_json::from_str(reply).map_err(unreadable)?;
        let blocks: Vec<Block> = serde_json::from_str(content.get()).map_err(unreadable)?;
        let ids = blocks.iter().filter(|block| block.kind == "tool_use").map(|block| block.id.clone());
        let calls = ids.map(|id| CallId::try_from(id.unwrap_or_default()));
        let calls = calls.collect::<Result<Vec<_>, _>>();
        let calls = calls.map_err(|error| TranscriptError::Unreadable { turn, reason: error.to_string() })?;
        Ok(Self { content, blocks: blocks.len(), calls })
    }

    /// The message that is sent back; none for a reply without content, which the service would refuse.
    pub(super) fn message(&self, turn: TurnNumber) -> Result<Option<RawJson>, TranscriptError> {
        #[derive(Serialize)]
        struct Message<'a> {
            role: &'static str,
            content: &'a RawValue,
        }
        if self.blocks == 0 {
            return Ok(None);
        }
        let message = RawJson::of(&Message { role: "assistant", content: self.content });
        message.map(Some).map_err(|error| unreadable(turn, &error))
    }
}

pub(super) fn not_fetched(turn: TurnNumber) -> TranscriptError {
    TranscriptError::Unreadable { turn, reason: "a text that is stored outside the log was not fetched".to_owned() }
}

pub(super) fn unreadable(turn: TurnNumber, error: &serde_json::Error) -> TranscriptError {
    TranscriptError::Unreadable { turn, reason: error.to_string() }
}
