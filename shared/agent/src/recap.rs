//! A recap of a conversation from the log, for a compaction without a note by the model.

use std::fmt::Write as _;

use domain::text::shorten;
use domain::{AiMessage, Author, Event, EventBody, Payload, Seq, ToolOutcome, ToolResult};

/// Maximum tool calls that are listed, the latest ones.
const MAX_CALLS: usize = 40;

/// Maximum tool results that are quoted, the latest ones.
const MAX_RESULTS: usize = 4;

/// Maximum messages of the model that are quoted, the latest ones.
const MAX_MESSAGES: usize = 5;

/// Maximum length of a quoted message or result.
const MAX_TEXT_CHARACTERS: usize = 2000;

/// Maximum length of a call in the list.
const MAX_CALL_CHARACTERS: usize = 200;

/// The model's last messages, its last tool calls and their results, since the conversation was opened.
pub(crate) fn from_log(events: &[Event]) -> String {
    let restart = events.iter().rev().find(|event| matches!(event.body, EventBody::ContextChanged(_)));
    let since = restart.map_or(Seq(0), |event| event.seq);
    let events = &events[events.partition_point(|event| event.seq <= since)..];
    let messages: Vec<&AiMessage> = events
        .iter()
        .filter_map(|event| if let EventBody::AiMessage(message) = &event.body { Some(message) } else { None })
        .collect();
    let results: Vec<&ToolResult> = events
        .iter()
        .filter_map(|event| if let EventBody::ToolResult(result) = &event.body { Some(result) } else { None })
        .collect();
    let mut text =
        "The previous conversation left no note. This recap of it comes from the session's log. Check the files before \
                    you rely on it."
            .to_owned();
    if !messages.is_empty() {
        text.push_str("\n\nYour last messages:\n");
        for message in last(&messages, MAX_MESSAGES) {
            let _ = write!(text, "\n- {}", shorten(inline(&message.text), MAX_TEXT_CHARACTERS));
        }
    }
    for event in events {
        let EventBody::UserMessage(message) = &event.body else { continue };
        if message.author == Author::Conflict {
            let _ = write!(text, "\n\nYou received this message: {}", message.text);
        }
    }
    if !results.is_empty() {
        text.push_str("\n\nYour last tool calls, oldest first:\n");
        for result in last(&results, MAX_CALLS) {
            let outcome = match result.outcome {
                ToolOutcome::Ok => "ok",
                ToolOutcome::Failed => "failed",
                ToolOutcome::CutOff => "cut off",
            };
            let _ = write!(text, "\n- {}: {outcome}", shorten(&call_line(events, result), MAX_CALL_CHARACTERS));
        }
        text.push_str("\n\nTheir latest results:\n");
        for result in last(&results, MAX_RESULTS) {
            let call = call_line(events, result);
            let call = shorten(&call, MAX_CALL_CHARACTERS);
            let output = crate::briefing::untrusted(&shorten(inline(&result.output), MAX_TEXT_CHARACTERS));
            let _ = write!(text, "\n{call}:\n{output}");
        }
    }
    text
}

fn last<T>(items: &[T], max: usize) -> &[T] {
    &items[items.len().saturating_sub(max)..]
}

fn inline(payload: &Payload) -> &str {
    payload.inline().unwrap_or("(too long to be quoted here)")
}

/// Tool name and input of the call that a result belongs to.
fn call_line(events: &[Event], result: &ToolResult) -> String {
    let input = events.iter().rev().find_map(|event| {
        let EventBody::ToolCall(called) = &event.body else { return None };
        (called.call == result.call && called.turn == result.turn).then(|| called.input.to_string())
    });
    format!("{} {}", result.tool, input.unwrap_or_default())
}
