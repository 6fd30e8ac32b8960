//! One conversation with the model: its last turn, its last reply, and counts of what came before them.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::text::shorten;
use crate::{
    Attempt, Author, CallId, CallKey, ContextChanged, Digest256, ModelReplied, ModelRetrying, Payload, RetryCause,
    RunNumber, SandboxId, Seq, StopReason, ToolCall, ToolOutcome, ToolResult, ToolStarted, TurnNumber, TurnStarted,
    UserMessage,
};

use super::RecentCall;

/// Characters of a call in a sentence about it.
const MAX_LABEL_CHARACTERS: usize = 120;

/// One conversation with the model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConversationState {
    /// Whether the message that opens it was written.
    pub opened: bool,
    /// The last turn that was begun.
    pub last_turn: Option<TurnState>,
    /// The last reply: that of the last turn or, as long as that has none, of the one before.
    pub last_reply: Option<ReplyState>,
    /// The last message that was put to it.
    pub last_message: Seq,
    /// What a person said last, or the beginning of the latest run.
    pub fresh: Seq,
    /// Its length after the last reply, in tokens; estimated after a restart.
    pub context_tokens: u64,
    /// Bytes of results and messages since the last reply, which the next call adds.
    pub unsent_bytes: u64,
    /// The turn with which it was last restarted.
    pub begins: TurnNumber,
    /// How often it was restarted with a shorter opening.
    pub compactions: u32,
    /// Replies since the last restart.
    pub replies_since_compaction: u32,
    /// How many of the last replies, in a row, had no tool call and did not end the work either. What a person says, and a
    /// new run, sets it back.
    pub unfinished_replies: u32,
    /// How often it was reminded of something.
    pub nudges: u32,
    /// The last request for a compaction note.
    compaction: Seq,
}

/// The last turn.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnState {
    pub turn: TurnNumber,
    /// How often it was asked.
    pub attempts: u32,
    /// Up to which event messages were part of the last try.
    pub up_to: Seq,
    /// The longest reply that the last try asked for, in tokens.
    pub max_tokens: u32,
    /// The limit that the next try should have, when a call was too long.
    pub next_max_tokens: Option<u32>,
    /// When the next try may be made, after one that failed or was told to wait.
    pub next_try: Option<Timestamp>,
    /// How many tries in a row broke off.
    pub failures: u32,
}

/// A reply.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplyState {
    /// The call it came from.
    pub call: CallKey,
    /// The run that the call was made in.
    pub run: RunNumber,
    /// Up to which event messages had been sent with it.
    pub up_to: Seq,
    /// Why it ended.
    pub stop: StopReason,
    /// The message as received.
    pub message: Arc<Payload>,
    /// The tool calls in it, in order.
    pub calls: Vec<CallState>,
}

/// A tool call.
#[derive(Debug, Clone, PartialEq)]
pub struct CallState {
    pub id: CallId,
    /// The tool's name as the model wrote it.
    pub tool: String,
    /// Tool and input, cut for a sentence about it.
    pub label: String,
    /// The digest of tool and input.
    pub input: Digest256,
    /// Where it was started, if it was.
    pub started_in: Option<SandboxId>,
    /// How it went, once it is answered.
    pub outcome: Option<ToolOutcome>,
    /// Whether it asked a person, and nobody answered in time.
    pub unanswered: bool,
}

impl ConversationState {
    /// The reply to the last turn, once it has one.
    pub fn reply_to_last_turn(&self) -> Option<&ReplyState> {
        let turn = self.last_turn.as_ref()?.turn;
        self.last_reply.as_ref().filter(|reply| reply.call.turn == turn)
    }

    /// The last reply, unless the conversation was restarted after it.
    pub fn reply_since_restart(&self) -> Option<&ReplyState> {
        self.last_reply.as_ref().filter(|reply| reply.call.turn >= self.begins)
    }

    /// The calls of the last reply that have no result yet.
    pub fn open_calls(&self) -> impl Iterator<Item = &CallState> {
        self.last_reply.iter().flat_map(|reply| &reply.calls).filter(|call| call.outcome.is_none())
    }

    /// Whether there are messages that no reply has seen.
    pub fn has_unseen_messages(&self) -> bool {
        self.last_message > self.seen()
    }

    /// Up to which event messages were seen by a reply.
    pub fn seen(&self) -> Seq {
        self.last_reply.as_ref().map_or(Seq(0), |reply| reply.up_to)
    }

    /// Whether the next reply is to be a compaction note.
    pub fn compacts(&self) -> bool {
        self.compaction > self.seen()
    }

    /// The turn to ask for next and which try at it that is.
    pub fn next_call(&self) -> (TurnNumber, Attempt) {
        match &self.last_turn {
            Some(turn) if self.reply_to_last_turn().is_none() => (turn.turn, Attempt(turn.attempts + 1)),
            Some(turn) => (turn.turn.next(), Attempt(1)),
            None => (TurnNumber(1), Attempt(1)),
        }
    }

    pub(super) fn fresh_start(&mut self, at: Seq) {
        self.fresh = at;
        self.unfinished_replies = 0;
    }

    pub(super) fn message(&mut self, seq: Seq, message: &UserMessage) {
        self.unsent_bytes = self.unsent_bytes.saturating_add(message.text.len() as u64);
        // An answer to a question reaches the model as the result of its call.
        if message.answers.is_none() {
            self.last_message = seq;
        }
        match message.author {
            Author::User => self.fresh_start(seq),
            Author::Brief => self.opened = true,
            Author::Nudge => self.nudges += 1,
            Author::Compaction => self.compaction = seq,
            Author::Instructions | Author::Conflict => {}
        }
    }

    pub(super) fn restarted(&mut self, changed: &ContextChanged) {
        self.context_tokens = changed.tokens_after;
        self.begins = changed.begins;
        self.compactions += 1;
        self.replies_since_compaction = 0;
        self.compaction = Seq(0);
    }

    pub(super) fn call_started(&mut self, started: &TurnStarted) {
        let attempt = started.call.attempt.0;
        match self.turn(started.call.turn) {
            Some(turn) => {
                turn.attempts = turn.attempts.max(attempt);
                turn.up_to = started.up_to;
                turn.max_tokens = started.max_tokens;
                turn.next_try = None;
            }
            None => {
                self.last_turn = Some(TurnState {
                    turn: started.call.turn,
                    attempts: attempt,
                    up_to: started.up_to,
                    max_tokens: started.max_tokens,
                    next_max_tokens: None,
                    next_try: None,
                    failures: 0,
                });
            }
        }
    }

    pub(super) fn retrying(&mut self, at: Timestamp, retrying: &ModelRetrying) {
        let Some(turn) = self.turn(retrying.call.turn) else { return };
        turn.next_max_tokens = retrying.next_max_tokens.or(turn.next_max_tokens);
        turn.next_try = at.checked_add(Duration::from_secs(retrying.in_seconds)).ok();
        match retrying.cause {
            RetryCause::Failure => turn.failures += 1,
            RetryCause::Pause => turn.failures = 0,
        }
    }

    pub(super) fn replied(&mut self, run: RunNumber, replied: &ModelReplied) {
        self.context_tokens = replied.usage.context_tokens() + replied.usage.output_tokens;
        self.unsent_bytes = 0;
        // The first reply of a turn is its only one.
        if self.reply_to_last_turn().is_some() {
            return;
        }
        let Some(up_to) = self.turn(replied.call.turn).map(|turn| turn.up_to) else { return };
        self.replies_since_compaction += 1;
        let unfinished = up_to >= self.fresh && !replied.stop.ends_work();
        self.unfinished_replies = if unfinished { self.unfinished_replies + 1 } else { 0 };
        self.last_reply = Some(ReplyState {
            call: replied.call,
            run,
            up_to,
            stop: replied.stop.clone(),
            message: Arc::new(replied.reply.clone()),
            calls: Vec::new(),
        });
    }

    pub(super) fn called(&mut self, called: &ToolCall) {
        let Some(reply) = self.last_reply.as_mut().filter(|reply| reply.call.turn == called.turn) else { return };
        let call = format!("{} {}", called.tool, called.input);
        reply.calls.push(CallState {
            id: called.call.clone(),
            tool: called.tool.clone(),
            label: shorten(&call, MAX_LABEL_CHARACTERS).into_owned(),
            input: Digest256::of(call.as_bytes()),
            started_in: None,
            outcome: None,
            unanswered: false,
        });
        self.unfinished_replies = 0;
    }

    pub(super) fn call_begun(&mut self, started: &ToolStarted) {
        if let Some(call) = self.call(started.turn, &started.call) {
            call.started_in = Some(started.sandbox.clone());
        }
    }

    /// Takes in a result, and returns the call with it when the call had none.
    pub(super) fn answered(&mut self, result: &ToolResult) -> Option<RecentCall> {
        let (bytes, output) = match &result.output {
            Payload::Inline(text) => (text.len() as u64, Digest256::of(text.as_bytes())),
            Payload::Stored(blob) => (blob.bytes, blob.sha256.clone()),
        };
        self.unsent_bytes = self.unsent_bytes.saturating_add(bytes);
        let call = self.call(result.turn, &result.call).filter(|call| call.outcome.is_none())?;
        call.outcome = Some(result.outcome);
        let failed = result.outcome != ToolOutcome::Ok;
        Some(RecentCall { label: call.label.clone(), input: call.input.clone(), output, failed })
    }

    pub(super) fn unanswered(&mut self, id: &CallId) {
        let calls = self.last_reply.iter_mut().flat_map(|reply| &mut reply.calls);
        for call in calls.filter(|call| call.id == *id) {
            call.unanswered = true;
        }
    }

    fn turn(&mut self, number: TurnNumber) -> Option<&mut TurnState> {
        self.last_turn.as_mut().filter(|turn| turn.turn == number)
    }

    fn call(&mut self, number: TurnNumber, id: &CallId) -> Option<&mut CallState> {
        let reply = self.last_reply.as_mut().filter(|reply| reply.call.turn == number)?;
        reply.calls.iter_mut().find(|call| call.id == *id)
    }
}
