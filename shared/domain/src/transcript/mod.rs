//! The messages sent to the model, rebuilt from the log.
//!
//! The law: what is rebuilt for a call from any later log equals, byte for byte, what was sent, whatever arrived
//! meanwhile. It holds because a call's `turn.started` fixes up to where messages count, because the first result of a tool
//! call is the only one, and because replies are sent back as they were received. Where a conversation was begun afresh
//! (`context.changed`), a call belongs to the new one when its `upTo` comes after that, and to the old one otherwise.

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
    /// The log does not hold the call.
    #[error("turn {0} was not begun")]
    NotBegun(TurnNumber),
    /// An earlier turn has no reply.
    #[error("turn {0} has no reply")]
    NoReply(TurnNumber),
    /// A tool call has no result.
    #[error("tool call {0} has no result")]
    NoResult(CallId),
    /// There is nothing to say to the model.
    #[error("turn {0} would begin with an empty message")]
    NothingToSay(TurnNumber),
    /// A reply or result was not fetched, or is not what it should be.
    #[error("turn {turn}: {reason}")]
    Unreadable {
        /// The turn.
        turn: TurnNumber,
        /// Why.
        reason: String,
    },
}

/// The blocks of a stored reply.
pub fn reply_blocks(reply: &str) -> Result<Vec<ContentBlock>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Reply {
        content: Vec<ContentBlock>,
    }
    serde_json::from_str::<Reply>(reply).map(|reply| reply.content)
}

/// The messages of `call`: all earlier turns of its conversation with their replies, and what is said to the model now.
///
/// `texts` holds the replies and results that do not stand in the events themselves.
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
    /// Of each turn with the text of its reply, unless that was not fetched.
    replies: HashMap<TurnNumber, (CallKey, Option<&'a str>)>,
    results: HashMap<(TurnNumber, &'a CallId), (Option<&'a str>, ToolOutcome)>,
    said: Vec<(Seq, Author, &'a str)>,
    begun: Vec<(Seq, TurnNumber)>,
}

/// Where the conversation of a call begins.
struct Beginning {
    /// What began it: nothing is before the first one.
    at: Seq,
    turn: TurnNumber,
    /// Messages up to here were seen by the conversation before, and what is left of them is in the opening.
    seen: Seq,
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
                // An answer to a question is the result of its call already.
                Entry::Message(message) if message.answers.is_some() => {}
                Entry::Message(message) => gathered.said.push((event.seq, message.author, &message.text)),
                Entry::Restart(changed) => gathered.begun.push((event.seq, changed.begins)),
            }
        }
        gathered
    }

    fn messages(&self, call: CallKey) -> Result<Vec<RawJson>, TranscriptError> {
        let mut messages = Vec::new();
        let beginning = self.beginning(call)?;
        let mut said_up_to = beginning.seen;
        let mut last_reply: Option<StoredReply<'_>> = None;
        let mut turn = beginning.turn;
        loop {
            let current = turn == call.turn;
            let reply = self.replies.get(&turn).copied();
            let key = if current { call } else { reply.ok_or(TranscriptError::NoReply(turn))?.0 };
            let up_to = *self.up_to.get(&key).ok_or(TranscriptError::NotBegun(turn))?;
            messages.push(self.user_message(turn, last_reply.as_ref(), &beginning, said_up_to, up_to)?);
            said_up_to = up_to;
            if current {
                return Ok(messages);
            }
            let (_, text) = reply.ok_or(TranscriptError::NoReply(turn))?;
            let reply = StoredReply::read(turn, text.ok_or_else(|| not_fetched(turn))?)?;
            // Without one there are consecutive user messages, which are one to the model.
            messages.extend(reply.message()?);
            last_reply = Some(reply);
            turn = turn.next();
        }
    }

    fn beginning(&self, call: CallKey) -> Result<Beginning, TranscriptError> {
        let up_to = *self.up_to.get(&call).ok_or(TranscriptError::NotBegun(call.turn))?;
        let Some((at, turn)) = self.begun.iter().rev().copied().find(|(at, _)| *at <= up_to) else {
            return Ok(Beginning { at: Seq(0), turn: TurnNumber(1), seen: Seq(0) });
        };
        let before = TurnNumber(turn.0.saturating_sub(1));
        let seen = self.replies.get(&before).and_then(|(call, _)| self.up_to.get(call));
        Ok(Beginning { at, turn, seen: seen.copied().unwrap_or_default() })
    }

    /// The results of the last reply's calls in their order, then what was said meanwhile.
    fn user_message(
        &self,
        turn: TurnNumber,
        last_reply: Option<&StoredReply<'_>>,
        beginning: &Beginning,
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
        let said = self.said.iter().filter(|(seq, author, _)| {
            // A note that was asked for in the conversation before is none of this one's business.
            let asked_before = *author == Author::Compaction && *seq < beginning.at;
            *seq > after && *seq <= up_to && !asked_before
        });
        // What opens a new conversation comes first, though something may have been said before it was written.
        let opens = |author: Author| author == Author::Brief && beginning.at > Seq(0);
        let (opening, rest): (Vec<_>, Vec<_>) = said.partition(|(_, author, _)| opens(*author));
        blocks.extend(opening.into_iter().chain(rest).map(|(_, _, text)| UserBlock::Text { text }));
        if blocks.is_empty() {
            return Err(TranscriptError::NothingToSay(turn));
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

/// A stored reply, as far as it has to be read to be sent back and answered.
struct StoredReply<'a> {
    turn: TurnNumber,
    content: &'a RawValue,
    blocks: usize,
    /// Its tool calls, in order.
    calls: Vec<CallId>,
}

impl<'a> StoredReply<'a> {
    fn read(turn: TurnNumber, reply: &'a str) -> Result<Self, TranscriptError> {
        #[derive(Deserialize)]
        struct Message<'a> {
            #[serde(borrow)]
            content: &'a RawValue,
        }
        // Of each block only what tells a call: inputs may be long, and a conversation is rebuilt for every turn.
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

    /// The message that is sent back; a reply without content may not be.
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
    TranscriptError::Unreadable { turn, reason: "a text that is stored elsewhere was not fetched".to_owned() }
}

fn unreadable(turn: TurnNumber, error: &serde_json::Error) -> TranscriptError {
    TranscriptError::Unreadable { turn, reason: error.to_string() }
}
