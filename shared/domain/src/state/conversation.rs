//! The state of one conversation with the model: its last turn, its last reply, and counts of what came before.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::text::shorten;
use crate::{
    AiMessage, Attempt, Author, CallId, CallKey, ContextChanged, Digest256, ModelReplied, ModelRetrying, Payload,
    RetryCause, RunNumber, SandboxId, Seq, StopReason, ToolCall, ToolOutcome, ToolResult, ToolStarted, TurnNumber,
    TurnStarted, UserMessage,
};

use super::RecentCall;

/// Limit of a tool call's label, which is quoted in sentences.
const MAX_LABEL_CHARACTERS: usize = 120;

/// One conversation with the model.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ConversationState {
    /// Whether its opening message (the brief) was written.
    pub opened: bool,
    /// The last turn that was started.
    pub last_turn: Option<TurnState>,
    /// The reply of the last turn or, while that has none, of the turn before.
    pub last_reply: Option<ReplyState>,
    /// The last message to the model that is not an answer to a tool call.
    pub last_message: Seq,
    /// The last message of a person, or the start of the latest run.
    pub last_input: Seq,
    /// Length after the last reply, in tokens; estimated after a compaction.
    pub context_tokens: u64,
    /// Bytes of results and messages since the last reply, which the next call sends in addition.
    pub unsent_bytes: u64,
    /// The first turn since the last compaction.
    pub begins: TurnNumber,
    /// Number of compactions.
    pub compactions: u32,
    pub replies_since_compaction: u32,
    /// Number of consecutive last replies that neither called a tool nor ended the work. A message of a person and a new run
    /// reset it.
    pub unfinished_replies: u32,
    /// Number of consecutive replies without text and tool call after which the model was asked again. A message of a person and
    /// a new run reset it.
    #[serde(default)]
    pub empty_replies: u32,
    /// Whether the service refused the conversation as it is, so that it must not be sent again.
    pub refused: bool,
    /// Number of messages by which the model was reminded of something.
    pub nudges: u32,
    /// The last request for a compaction note; 0 once the conversation was compacted.
    compaction_request: Seq,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnState {
    pub turn: TurnNumber,
    /// Number of calls for this turn.
    pub attempts: u32,
    /// The last event whose message was part of the latest call.
    pub up_to: Seq,
    /// Limit of the reply in the latest call, in tokens.
    pub max_tokens: u32,
    /// Limit for the next call, when a reply took too long or did not fit the model's window.
    pub next_max_tokens: Option<u32>,
    /// Not before this time may the next call be made, after one that failed or was told to wait.
    pub next_try: Option<Timestamp>,
    /// Number of consecutive calls of the run that broke off.
    pub failures: u32,
    /// Number of calls of the run whose reply a filter withheld.
    pub filtered: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplyState {
    pub call: CallKey,
    /// The run in which the call was made.
    pub run: RunNumber,
    /// The last event whose message was part of the call.
    pub up_to: Seq,
    pub stop: StopReason,
    /// Whether it has text for the user.
    #[serde(default)]
    pub has_text: bool,
    /// The message as received.
    pub message: Arc<Payload>,
    /// In the order of the reply, which is also the order of their results in the next message.
    pub calls: Vec<CallState>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallState {
    pub id: CallId,
    /// The tool's name as the model wrote it.
    pub tool: String,
    /// Tool and input, cut for a sentence about the call.
    pub label: String,
    /// Digest of tool and input.
    pub input: Digest256,
    /// The sandbox in which it was started; none before it is.
    pub started_in: Option<SandboxId>,
    /// None until it has a result.
    pub outcome: Option<ToolOutcome>,
    /// Whether it asked a person and nobody answered before the deadline.
    pub unanswered: bool,
}

impl ReplyState {
    /// Whether it ended the work without a word.
    fn is_empty(&self) -> bool {
        !self.has_text && self.calls.is_empty() && self.stop.ends_work()
    }
}

impl ConversationState {
    /// The reply to the last turn, once it has one.
    pub fn reply_to_last_turn(&self) -> Option<&ReplyState> {
        let turn = self.last_turn.as_ref()?.turn;
        self.last_reply.as_ref().filter(|reply| reply.call.turn == turn)
    }

    /// The last reply, unless the conversation was compacted after it.
    pub fn reply_since_restart(&self) -> Option<&ReplyState> {
        self.last_reply.as_ref().filter(|reply| reply.call.turn >= self.begins)
    }

    /// The calls of the last reply that have no result yet.
    pub fn open_calls(&self) -> impl Iterator<Item = &CallState> {
        self.last_reply.iter().flat_map(|reply| &reply.calls).filter(|call| call.outcome.is_none())
    }

    /// Whether there are messages that the model has not replied to.
    pub fn has_unseen_messages(&self) -> bool {
        self.last_message > self.seen_up_to()
    }

    /// The last event whose message the model has replied to.
    pub fn seen_up_to(&self) -> Seq {
        self.last_reply.as_ref().map_or(Seq(0), |reply| reply.up_to)
    }

    /// Whether the next reply is to be a compaction note.
    pub fn awaits_compaction_note(&self) -> bool {
        self.compaction_request > self.seen_up_to()
    }

    /// The turn of the next call, and which attempt at it that is.
    pub fn next_call(&self) -> (TurnNumber, Attempt) {
        match &self.last_turn {
            Some(turn) if self.reply_to_last_turn().is_none() => (turn.turn, Attempt(turn.attempts + 1)),
            Some(turn) => (turn.turn.next(), Attempt(1)),
            None => (TurnNumber(1), Attempt(1)),
        }
    }

    pub(super) fn new_input(&mut self, at: Seq) {
        self.last_input = at;
        self.unfinished_replies = 0;
        self.empty_replies = 0;
    }

    /// A new run may try again as often as the one before.
    pub(super) fn new_run(&mut self, at: Seq) {
        self.new_input(at);
        if let Some(turn) = &mut self.last_turn {
            turn.failures = 0;
            turn.filtered = 0;
        }
    }

    pub(super) fn message(&mut self, seq: Seq, message: &UserMessage) {
        self.unsent_bytes = self.unsent_bytes.saturating_add(message.text.len() as u64);
        // The model reads an answer to its question as the result of the call that asked.
        if message.answers.is_none() {
            self.last_message = seq;
        }
        match message.author {
            Author::User => self.new_input(seq),
            Author::Brief => self.opened = true,
            Author::Nudge => {
                self.nudges += 1;
                self.empty_replies += u32::from(self.reply_since_restart().is_some_and(ReplyState::is_empty));
            }
            Author::Compaction => self.compaction_request = seq,
            Author::Instructions | Author::Conflict | Author::Checks | Author::LeftOut => {}
        }
    }

    pub(super) fn compacted(&mut self, changed: &ContextChanged) {
        self.context_tokens = changed.tokens_after;
        self.begins = changed.begins;
        self.compactions += 1;
        self.replies_since_compaction = 0;
        self.compaction_request = Seq(0);
        self.refused = false;
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
                    filtered: 0,
                });
            }
        }
    }

    pub(super) fn retrying(&mut self, at: Timestamp, retrying: &ModelRetrying) {
        self.refused |= retrying.cause == RetryCause::Refused;
        let Some(turn) = self.turn(retrying.call.turn) else { return };
        turn.next_max_tokens = retrying.next_max_tokens.or(turn.next_max_tokens);
        turn.next_try = at.checked_add(Duration::from_secs(retrying.in_seconds)).ok();
        match retrying.cause {
            RetryCause::Failure => turn.failures += 1,
            RetryCause::Pause => turn.failures = 0,
            RetryCause::Filtered => {
                turn.failures += 1;
                turn.filtered += 1;
            }
            RetryCause::Refused => {}
        }
    }

    pub(super) fn replied(&mut self, run: RunNumber, replied: &ModelReplied) {
        self.context_tokens = replied.usage.context_tokens() + replied.usage.output_tokens;
        self.unsent_bytes = 0;
        // The first reply of a turn is the only one that counts, as in the transcript.
        if self.reply_to_last_turn().is_some() {
            return;
        }
        let Some(up_to) = self.turn(replied.call.turn).map(|turn| turn.up_to) else { return };
        self.replies_since_compaction += 1;
        self.refused = false;
        let unfinished = up_to >= self.last_input && !replied.stop.ends_work();
        self.unfinished_replies = if unfinished { self.unfinished_replies + 1 } else { 0 };
        self.last_reply = Some(ReplyState {
            call: replied.call,
            run,
            up_to,
            stop: replied.stop.clone(),
            has_text: false,
            message: Arc::new(replied.reply.clone()),
            calls: Vec::new(),
        });
    }

    pub(super) fn said(&mut self, message: &AiMessage) {
        if let Some(reply) = self.last_reply.as_mut().filter(|reply| reply.call.turn == message.turn) {
            reply.has_text = true;
        }
    }

    pub(super) fn tool_called(&mut self, called: &ToolCall) {
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

    pub(super) fn tool_started(&mut self, started: &ToolStarted) {
        if let Some(call) = self.open_call(started.turn, &started.call) {
            call.started_in = Some(started.sandbox.clone());
        }
    }

    /// Returns the call with its result; none when it had a result already, which then is the only one that counts.
    pub(super) fn tool_answered(&mut self, result: &ToolResult) -> Option<RecentCall> {
        let (bytes, output) = match &result.output {
            Payload::Inline(text) => (text.len() as u64, Digest256::of(text.as_bytes())),
            Payload::Stored(blob) => (blob.bytes, blob.sha256.clone()),
        };
        self.unsent_bytes = self.unsent_bytes.saturating_add(bytes);
        let call = self.open_call(result.turn, &result.call)?;
        call.outcome = Some(result.outcome);
        // A call that was never started has failed at nothing: its input could not be read, or it was not to be run.
        let failed = result.outcome != ToolOutcome::Ok && call.started_in.is_some();
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

    /// The call without a result that has this id. In logs of earlier versions several calls of a reply may have it: each result
    /// is that of the first one without.
    fn open_call(&mut self, number: TurnNumber, id: &CallId) -> Option<&mut CallState> {
        let reply = self.last_reply.as_mut().filter(|reply| reply.call.turn == number)?;
        reply.calls.iter_mut().find(|call| call.id == *id && call.outcome.is_none())
    }
}
