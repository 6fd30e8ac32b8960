//! How a message is written.

use serde::Serialize;

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
            content: sendable(output, "(no output)"),
            is_error: result.outcome != ToolOutcome::Ok,
        });
    }
    blocks.extend(messages.iter().map(|message| UserBlock::Text { text: sendable(&message.text, "(no text)") }));
    if blocks.is_empty() {
        return Err(TranscriptError::EmptyMessage(turn));
    }
    RawJson::of(&UserMessageJson { role: "user", content: blocks }).map_err(|error| unreadable(turn, &error))
}

/// The service refuses texts without a visible character, so `instead` is sent for them.
fn sendable<'a>(text: &'a str, instead: &'static str) -> &'a str {
    if text.trim().is_empty() { instead } else { text }
}

pub(super) fn not_fetched(turn: TurnNumber) -> TranscriptError {
    TranscriptError::Unreadable { turn, reason: "a text that is stored outside the log was not fetched".to_owned() }
}

pub(super) fn unreadable(turn: TurnNumber, error: &serde_json::Error) -> TranscriptError {
    TranscriptError::Unreadable { turn, reason: error.to_string() }
}
