//! The messages sent to the model, rebuilt from the log.
//!
//! The law: the messages rebuilt for a call from any later log equal, byte for byte, the messages that were sent, whatever
//! was appended meanwhile. Current models sign their thinking over the conversation and refuse an edited one. The law holds
//! because
//!
//! - a call's `turn.started` records up to which event (`upTo`) messages are part of it;
//! - the first result of a tool call is the only one that counts;
//! - replies are sent back as they were received.
//!
//! After a compaction (`context.changed`) a call belongs to the new conversation when its `upTo` is after that event, and to
//! the old one otherwise.

mod entry;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    Author, CallId, CallKey, ContentBlock, Conversation, Event, RawJson, Seq, ToolOutcome, TurnNumber, TurnStarted,
};

use entry::Entry;
pub use entry::Texts;

/// Why a conversation cannot be rebuilt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TranscriptError {
    /// The log does not contain the call.
    #[error("turn {0} was not started")]
    NotStarted(TurnNumber),
    /// An earlier turn has no reply.
    #[error("turn {0} has no reply")]
    NoReply(TurnNumber),
    /// A tool call has no result.
    #[error("tool call {0} has no result")]
    NoResult(CallId),
    /// Neither a result nor a message precedes the call; the model's service refuses an empty message.
    #[error("turn {0} would start with an empty message")]
    EmptyMessage(TurnNumber),
    /// A reply or result was not fetched, or is malformed.
    #[error("turn {turn}: {reason}")]
    Unreadable { turn: TurnNumber, reason: String },
}

/// The content blocks of a stored reply.
pub fn reply_blocks(reply: &str) -> Result<Vec<ContentBlock>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Reply {
        content: Vec<ContentBlock>,
    }
    serde_json::from_str::<Reply>(reply).map(|reply| reply.content)
}

/// The messages that were sent with `call`: all earlier turns of its conversation, each with its reply, and the last user
/// message.
///
/// `texts` contains the replies and results that are stored outside their events.
pub fn messages(events: &[Event], texts: &Texts, call: CallKey) -> Result<Vec<RawJson>, TranscriptError> {
    Gathered::from(events, texts, call.conversation).messages(call)
}

/// The messages of a call whose `turn.started` is about to be written.
pub fn messages_of_next(
    events: &[Event],
    texts: &Texts,
    started: &TurnStarted,
) -> Result<Vec<RawJson>, TranscriptError> {
    let mut gathered = Gathered::from(events, texts, started.call.conversation);
    gathered.up_to.entry(started.call).or_insert(started.up_to);
    gathered.messages(started.call)
}

#[derive(Default)]
struct Gathered<'a> {
    up_to: HashMap<CallKey, Seq>,
    /// By turn: the call that got the reply, and the reply's text; no text when it was not fetched.
    replies: HashMap<TurnNumber, (CallKey, Option<&'a str>)>,
    results: HashMap<(TurnNumber, &'a CallId), (Option<&'a str>, ToolOutcome)>,
    user_messages: Vec<(Seq, Author, &'a str)>,
    /// The `context.changed` events, each with the first turn of its new conversation.
    restarts: Vec<(Seq, TurnNumber)>,
}

/// Where the conversation of a call starts.
struct Start {
    /// The event that restarted the conversation; 0 for the first one.
    at: Seq,
    turn: TurnNumber,
    /// Messages up to here went to the conversation before; the opening says what matters of them.
    after: Seq,
}

impl<'a> Gathered<'a> {
    fn from(events: &'a [Event], texts: &'a Texts, conversation: Conversation) -> Self {
        let mut gathered = Self::default();
        for event in events {
            let Some(entry) = Entry::of(&event.body).filter(|entry| entry.conversation() == conversation) else {
                continue;
            };
            match entry {
                Entry::Call(started) => {
                    gathered.up_to.entry(started.call).or_insert(started.up_to);
                }
                Entry::Reply(replied) => {
                    let text = texts.get(&replied.reply);
                    gathered.replies.entry(replied.call.turn).or_insert((replied.call, text));
                }
                Entry::Result(result) => {
                    let text = texts.get(&result.output);
                    gathered.results.entry((result.turn, &result.call)).or_insert((text, result.outcome));
                }
                // The model reads an answer to its question as the result of the call that asked.
                Entry::Message(message) if message.answers.is_some() => {}
                Entry::Message(message) => gathered.user_messages.push((event.seq, message.author, &message.text)),
                Entry::Restart(changed) => gathered.restarts.push((event.seq, changed.begins)),
            }
        }
        gathered
    }

    fn messages(&self, call: CallKey) -> Result<Vec<RawJson>, TranscriptError> {
        let mut messages = Vec::new();
        let start = self.start_of(call)?;
        let mut sent_up_to = start.after;
        let mut last_reply: Option<StoredReply<'_>> = None;
        let mut turn = start.turn;
        loop {
            let current = turn == call.turn;
            let reply = self.replies.get(&turn).copied();
            let key = if current { call } else { reply.ok_or(TranscriptError::NoReply(turn))?.0 };
            let up_to = *self.up_to.get(&key).ok_or(TranscriptError::NotStarted(turn))?;
            messages.push(self.user_message(turn, last_reply.as_ref(), &start, sent_up_to, up_to)?);
            sent_up_to = up_to;
            if current {
                return Ok(messages);
            }
            let (_, text) = reply.ok_or(TranscriptError::NoReply(turn))?;
            let reply = StoredReply::read(turn, text.ok_or_else(|| not_fetched(turn))?)?;
            // An empty reply is left out. The service treats the consecutive user messages around it as one.
            messages.extend(reply.message()?);
            last_reply = Some(reply);
            turn = turn.next();
        }
    }

    fn start_of(&self, call: CallKey) -> Result<Start, TranscriptError> {
        let up_to = *self.up_to.get(&call).ok_or(TranscriptError::NotStarted(call.turn))?;
        let Some((at, turn)) = self.restarts.iter().rev().copied().find(|(at, _)| *at <= up_to) else {
            return Ok(Start { at: Seq(0), turn: TurnNumber(1), after: Seq(0) });
        };
        let previous = TurnNumber(turn.0.saturating_sub(1));
        let after = self.replies.get(&previous).and_then(|(call, _)| self.up_to.get(call));
        Ok(Start { at, turn, after: after.copied().unwrap_or_default() })
    }

    /// The results of the last reply's calls in their order, then the messages after `after` up to `up_to`. The service
    /// requires the results first.
    fn user_message(
        &self,
        turn: TurnNumber,
        last_reply: Option<&StoredReply<'_>>,
        start: &Start,
        after: Seq,
        up_to: Seq,
    ) -> Result<RawJson, TranscriptError> {
        let mut blocks = Vec::new();
        if let Some(reply) = last_reply {
            for id in &reply.calls {
                let (output, outcome) =
                    self.results.get(&(reply.turn, id)).ok_or_else(|| TranscriptError::NoResult(id.clone()))?;
                let output = output.ok_or_else(|| not_fetched(turn))?;
                let failed = *outcome != ToolOutcome::Ok;
                blocks.push(UserBlock::ToolResult {
                    tool_use_id: id.as_str(),
                    content: if output.is_empty() { "(no output)" } else { output },
                    is_error: failed,
                });
            }
        }
        let messages = self.user_messages.iter().filter(|(seq, author, _)| {
            // The request for a compaction note belongs to the conversation that was compacted.
            let asked_before = *author == Author::Compaction && *seq < start.at;
            *seq > after && *seq <= up_to && !asked_before
        });
        // The opening of a restarted conversation comes first, also before messages that arrived while it was written.
        let opens = |author: Author| author == Author::Brief && start.at > Seq(0);
        let (opening, rest): (Vec<_>, Vec<_>) = messages.partition(|(_, author, _)| opens(*author));
        blocks.extend(opening.into_iter().chain(rest).map(|(_, _, text)| UserBlock::Text { text }));
        if blocks.is_empty() {
            return Err(TranscriptError::EmptyMessage(turn));
        }
        RawJson::of(&UserMessageJson { role: "user", content: blocks }).map_err(|error| unreadable(turn, &error))
    }
}

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

/// The parts of a stored reply that are needed to send it back and to answer its tool calls.
struct StoredReply<'a> {
    turn: TurnNumber,
    content: &'a RawValue,
    blocks: usize,
    calls: Vec<CallId>,
}

impl<'a> StoredReply<'a> {
    fn read(turn: TurnNumber, reply: &'a str) -> Result<Self, TranscriptError> {
        #[derive(Deserialize)]
        struct Message<'a> {
            #[serde(borrow)]
            content: &'a RawValue,
        }
        // Reads no more of a block than it takes to recognize a call: inputs may be long, and the conversation is rebuilt for
        // every turn.
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
        Ok(Self { turn, content, blocks: blocks.len(), calls })
    }

    /// The message that is sent back; none for a reply without content, which the service would refuse.
    fn message(&self) -> Result<Option<RawJson>, TranscriptError> {
        #[derive(Serialize)]
        struct Message<'a> {
            role: &'static str,
            content: &'a RawValue,
        }
        if self.blocks == 0 {
            return Ok(None);
        }
        let message = RawJson::of(&Message { role: "assistant", content: self.content });
        message.map(Some).map_err(|error| unreadable(self.turn, &error))
    }
}

fn not_fetched(turn: TurnNumber) -> TranscriptError {
    TranscriptError::Unreadable { turn, reason: "a text that is stored outside the log was not fetched".to_owned() }
}

fn unreadable(turn: TurnNumber, error: &serde_json::Error) -> TranscriptError {
    TranscriptError::Unreadable { turn, reason: error.to_string() }
}
