//! The messages sent to the model: a fold over the events of a conversation.
//!
//! The law: the messages of a call follow from the log alone, byte for byte, whatever was appended meanwhile and wherever the
//! log was read from. Current models sign their thinking over the conversation and refuse an edited one. The law holds because
//!
//! - a call's `turn.started` records up to which event (`upTo`) messages are part of it;
//! - the first result of a tool call is the only one that counts;
//! - replies are sent back as they were received, but for what the service does not take back (`reply.rs`);
//! - the ids of a reply's tool calls are those of the events that record the calls. A call that no event records was not to be
//!   run, and is not sent back.
//!
//! After a compaction (`context.changed`) a call belongs to the new conversation when its `upTo` is after that event, and to
//! the old one otherwise. Nothing of the old one is kept: no later call sends it.
//!
//! A turn with a reply never changes again, once its calls are recorded. So its messages are written once, and kept as they are sent: in the memory of a
//! process, and in the parts of a snapshot.

mod fold;
mod recap;
mod reply;
mod sent;
mod texts;
mod written;

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::{
    Author, BlobRef, CallId, CallKey, ContentBlock, Conversation, Payload, RawJson, Seq, ToolOutcome, TurnNumber,
    TurnStarted,
};

pub use recap::{Recap, RecapCall};
pub(crate) use sent::Part;
use sent::SentMessages;
pub use texts::{TextCache, Texts};

/// Why the messages of a call cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TranscriptError {
    /// Another turn is next: an earlier one has no reply, or this one has.
    #[error("turn {turn} is not the next one, which is {next}")]
    NotNext { turn: TurnNumber, next: TurnNumber },
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

/// What the two conversations of a session consist of since each was last restarted.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Transcripts {
    plan: Transcript,
    main: Transcript,
    /// Of the main conversation.
    recap: Recap,
}

/// One conversation since it was last restarted.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Transcript {
    /// The `context.changed` that started it; 0 for a session's first conversation.
    restarted: Seq,
    /// The messages of the first turns, as they are sent.
    sent: SentMessages,
    /// The turns after these that have a reply.
    answered: VecDeque<AnsweredTurn>,
    current: CurrentTurn,
    /// The ids of all its tool calls: no later one may repeat one of them.
    call_ids: BTreeSet<CallId>,
}

/// A turn with a reply: from here on its messages are final.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct AnsweredTurn {
    number: TurnNumber,
    results: Vec<CallResult>,
    /// In the order in which they are sent.
    messages: Vec<Message>,
    reply: Payload,
    /// The ids of the reply's tool calls, in its order, as the events after it record them.
    calls: Vec<CallId>,
}

/// The turn that has no reply yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct CurrentTurn {
    number: TurnNumber,
    /// The calls for this turn, each with the last event whose message is part of it.
    calls: Vec<(CallKey, Seq)>,
    /// The first result of each call of the reply before.
    results: Vec<CallResult>,
    /// Messages that no answered call has sent, oldest first.
    messages: Vec<Message>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct CallResult {
    call: CallId,
    outcome: ToolOutcome,
    output: Payload,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Message {
    seq: Seq,
    author: Author,
    text: String,
}

impl Default for CurrentTurn {
    fn default() -> Self {
        Self { number: TurnNumber(1), calls: Vec::new(), results: Vec::new(), messages: Vec::new() }
    }
}

impl Transcripts {
    /// What a compaction without a note by the model passes on of the main conversation.
    pub fn recap(&self) -> &Recap {
        &self.recap
    }

    pub fn of(&self, conversation: Conversation) -> &Transcript {
        match conversation {
            Conversation::Plan => &self.plan,
            Conversation::Main => &self.main,
        }
    }

    pub fn of_mut(&mut self, conversation: Conversation) -> &mut Transcript {
        match conversation {
            Conversation::Plan => &mut self.plan,
            Conversation::Main => &mut self.main,
        }
    }

    /// The parts of a snapshot that both conversations consist of.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.plan.sent.parts.iter().chain(&self.main.sent.parts)
    }

    /// Size of the texts that the next snapshot has to store.
    pub(crate) fn unstored_bytes(&self) -> usize {
        [&self.plan, &self.main].into_iter().map(Transcript::unstored_bytes).sum()
    }
}

impl Transcript {
    /// The ids of the tool calls since it was last restarted.
    pub fn call_ids(&self) -> &BTreeSet<CallId> {
        &self.call_ids
    }

    /// The texts that are stored outside the log and are needed for the messages of the next call.
    pub fn needed_texts(&self) -> impl Iterator<Item = &BlobRef> {
        let replies = self.answered.iter().map(|turn| &turn.reply);
        let results = self.answered.iter().flat_map(|turn| &turn.results).chain(&self.current.results);
        let payloads = replies.chain(results.map(|result| &result.output));
        payloads.filter_map(Payload::stored).chain(self.sent.needed_parts())
    }

    /// The messages of the call whose `turn.started` is about to be written: all earlier turns, each with its reply, and the
    /// last user message. The work grows with what was added since they were made last.
    ///
    /// `texts` contains at least [`Transcript::needed_texts`].
    pub fn messages_of_next(&mut self, texts: &Texts, started: &TurnStarted) -> Result<Vec<RawJson>, TranscriptError> {
        let (turn, next) = (started.call.turn, self.current.number);
        if turn != next {
            return Err(TranscriptError::NotNext { turn, next });
        }
        self.sent.load(texts, next)?;
        // The last answered turn is not final before the events of its calls are in the log.
        while self.answered.len() > 1
            && let Some(answered) = self.answered.pop_front()
        {
            self.sent.add(&answered, texts)?;
        }
        let (recent, calls) = match self.answered.front() {
            Some(answered) => (answered.messages(&self.sent.calls, texts)?, &answered.calls),
            None => (Vec::new(), &self.sent.calls),
        };
        let messages = self.current.messages_up_to(started.up_to, self.restarted);
        let last = written::user_message(turn, calls, &self.current.results, &messages, texts)?;
        Ok(self.sent.messages().chain(&recent).chain([&last]).cloned().collect())
    }

    /// Whether the messages of earlier turns are in memory.
    pub(crate) fn is_loaded(&self) -> bool {
        self.sent.needed_parts().next().is_none()
    }

    pub(crate) fn sent_mut(&mut self) -> &mut SentMessages {
        &mut self.sent
    }

    fn unstored_bytes(&self) -> usize {
        let inline = |payload: &Payload| payload.inline().map_or(0, str::len);
        let results = |results: &[CallResult]| results.iter().map(|result| inline(&result.output)).sum::<usize>();
        let messages = |messages: &[Message]| messages.iter().map(|message| message.text.len()).sum::<usize>();
        let answered = self.answered.iter();
        answered.map(|turn| inline(&turn.reply) + results(&turn.results) + messages(&turn.messages)).sum::<usize>()
            + results(&self.current.results)
            + messages(&self.current.messages)
            + self.sent.unstored_bytes()
    }
}
