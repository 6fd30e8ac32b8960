//! What a compaction without a note by the model passes on of the conversation.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::text::shorten;
use crate::{AiMessage, Author, CallId, Payload, ToolCall, ToolOutcome, ToolResult, TurnNumber, UserMessage};

/// Maximum tool calls that are kept, the latest ones.
const MAX_CALLS: usize = 40;

/// Maximum tool results that are quoted, the latest ones.
const MAX_RESULTS: usize = 4;

/// Maximum messages of the model that are quoted, the latest ones.
const MAX_MESSAGES: usize = 5;

/// Maximum length of a quoted message or result.
const MAX_TEXT_CHARACTERS: usize = 2000;

/// Maximum length of a call.
const MAX_CALL_CHARACTERS: usize = 200;

/// The model's last messages, its last tool calls and their results, since the conversation was opened.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Recap {
    /// The model's last messages, oldest first.
    pub messages: VecDeque<String>,
    /// The messages about conflicts with the base branch.
    pub conflicts: Vec<String>,
    /// The last calls that have a result, oldest first.
    pub calls: VecDeque<RecapCall>,
    /// The last of these calls, each with its result.
    pub results: VecDeque<(String, String)>,
    /// The calls of the last reply, with their inputs.
    open: Vec<(TurnNumber, CallId, String)>,
}

/// A call that has a result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecapCall {
    /// Tool and input, shortened.
    pub line: String,
    pub outcome: ToolOutcome,
}

impl Recap {
    pub(super) fn said(&mut self, message: &AiMessage) {
        push(&mut self.messages, MAX_MESSAGES, quote(&message.text));
    }

    pub(super) fn message(&mut self, message: &UserMessage) {
        if message.author == Author::Conflict {
            self.conflicts.push(message.text.clone());
        }
    }

    pub(super) fn called(&mut self, called: &ToolCall) {
        self.open.retain(|(turn, _, _)| *turn == called.turn);
        let input = shorten(&called.input.to_string(), MAX_CALL_CHARACTERS).into_owned();
        self.open.push((called.turn, called.call.clone(), input));
    }

    pub(super) fn answered(&mut self, result: &ToolResult) {
        let call = self.open.iter().rfind(|(turn, call, _)| *turn == result.turn && *call == result.call);
        let input = call.map_or("", |(_, _, input)| input);
        let line = shorten(&format!("{} {input}", result.tool), MAX_CALL_CHARACTERS).into_owned();
        push(&mut self.calls, MAX_CALLS, RecapCall { line: line.clone(), outcome: result.outcome });
        push(&mut self.results, MAX_RESULTS, (line, quote(&result.output)));
    }
}

fn push<T>(items: &mut VecDeque<T>, max: usize, item: T) {
    items.push_back(item);
    if items.len() > max {
        items.pop_front();
    }
}

fn quote(payload: &Payload) -> String {
    shorten(payload.inline().unwrap_or("(too long to be quoted here)"), MAX_TEXT_CHARACTERS).into_owned()
}
