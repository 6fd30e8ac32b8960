//! What the log says of a conversation, for the one that follows it without a note by the model.

use std::fmt::Write as _;

use domain::text::shorten;
use domain::{AiMessage, Author, Event, EventBody, Payload, Seq, ToolOutcome, ToolResult};

/// So many of the last calls are listed.
const MAX_CALLS: usize = 40;

/// So many of the last results are shown.
const MAX_RESULTS: usize = 4;

/// So many of the model's last messages are shown.
const MAX_MESSAGES: usize = 5;

/// A text is cut to this many characters.
const MAX_TEXT: usize = 2000;

/// A line is cut to this many characters.
const MAX_LINE: usize = 200;

/// What was said and done since the conversation began.
pub(crate) fn of(events: &[Event]) -> String {
    let began = events.iter().rev().find(|event| matches!(event.body, EventBody::ContextChanged(_)));
    let since = began.map_or(Seq(0), |event| event.seq);
    let events = &events[events.partition_point(|event| event.seq <= since)..];
    let messages: Vec<&AiMessage> = events
        .iter()
        .filter_map(|event| if let EventBody::AiMessage(message) = &event.body { Some(message) } else { None })
        .collect();
    let results: Vec<&ToolResult> = events
        .iter()
        .filter_map(|event| if let EventBody::ToolResult(answered) = &event.body { Some(answered) } else { None })
        .collect();
    let mut text =
        "The conversation before this one became too long before a note could be written. This is what the log \
                    holds of it. Look at the files before you build on it."
            .to_owned();
    if !messages.is_empty() {
        text.push_str("\n\nYour last messages:\n");
        for message in last(&messages, MAX_MESSAGES) {
            let _ = write!(text, "\n- {}", shorten(inline(&message.text), MAX_TEXT));
        }
    }
    for event in events {
        let EventBody::UserMessage(message) = &event.body else { continue };
        if message.author == Author::Conflict {
            let _ = write!(text, "\n\nYou were told: {}", message.text);
        }
    }
    if !results.is_empty() {
        text.push_str("\n\nYour last calls, oldest first:\n");
        for answered in last(&results, MAX_CALLS) {
            let how = match answered.outcome {
                ToolOutcome::Ok => "ok",
                ToolOutcome::Failed => "failed",
                ToolOutcome::CutOff => "cut off",
            };
            let _ = write!(text, "\n- {}: {how}", shorten(&named(events, answered), MAX_LINE));
        }
        text.push_str("\n\nThe last results:\n");
        for answered in last(&results, MAX_RESULTS) {
            let call = named(events, answered);
            let call = shorten(&call, MAX_LINE);
            let output = crate::brief::untrusted(&shorten(inline(&answered.output), MAX_TEXT));
            let _ = write!(text, "\n{call}:\n{output}");
        }
    }
    text
}

fn last<T>(items: &[T], most: usize) -> &[T] {
    &items[items.len().saturating_sub(most)..]
}

fn inline(payload: &Payload) -> &str {
    payload.inline().unwrap_or("(too long to be shown here)")
}

/// A call in a line.
fn named(events: &[Event], answered: &ToolResult) -> String {
    let input = events.iter().rev().find_map(|event| {
        let EventBody::ToolCall(called) = &event.body else { return None };
        (called.call == answered.call && called.turn == answered.turn).then(|| called.input.to_string())
    });
    format!("{} {}", answered.tool, input.unwrap_or_default())
}
