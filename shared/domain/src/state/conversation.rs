//! One conversation with the model, as its events tell it.

use crate::{
    Attempt, Author, CallId, CallKey, Conversation, Event, EventBody, RetryCause, SandboxId, Seq, StopReason,
    ToolOutcome, TurnNumber,
};

/// One conversation with the model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConversationState {
    /// Its turns, oldest first.
    pub turns: Vec<TurnState>,
    /// The last message that was put to it.
    pub last_message: Seq,
    /// What a person said last, or the beginning of the latest run.
    pub fresh: Seq,
    /// Its length after the last reply, in tokens; estimated after it was begun afresh.
    pub context_tokens: u64,
    /// The turn with which it was last begun afresh.
    pub begins: TurnNumber,
    /// How often it was begun afresh.
    pub compactions: u32,
    /// The last request for a compaction note.
    compaction: Seq,
}

/// One turn.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnState {
    /// Its number.
    pub turn: TurnNumber,
    /// How often it was asked.
    pub attempts: u32,
    /// Up to which event messages were part of the last try.
    pub up_to: Seq,
    /// The longest reply that the last try asked for, in tokens.
    pub max_tokens: u32,
    /// The limit that the next try should have, when a call was too long.
    pub next_max_tokens: Option<u32>,
    /// How many tries in a row broke off.
    pub failures: u32,
    /// The reply.
    pub reply: Option<ReplyState>,
}

/// A reply.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplyState {
    /// The call it came from.
    pub call: CallKey,
    /// Up to which event messages had been sent with it.
    pub up_to: Seq,
    /// Why it ended.
    pub stop: StopReason,
    /// The tool calls in it, in order.
    pub calls: Vec<CallState>,
    /// Whether it says anything to the user.
    pub said_something: bool,
}

/// A tool call.
#[derive(Debug, Clone, PartialEq)]
pub struct CallState {
    /// Its id.
    pub id: CallId,
    /// The tool.
    pub tool: String,
    /// Where it was started, if it was.
    pub started_in: Option<SandboxId>,
    /// How it went, once it is answered.
    pub outcome: Option<ToolOutcome>,
}

impl ConversationState {
    /// The last turn.
    pub fn last(&self) -> Option<&TurnState> {
        self.turns.last()
    }

    /// The last reply.
    pub fn last_reply(&self) -> Option<&ReplyState> {
        self.turns.iter().rev().find_map(|turn| turn.reply.as_ref())
    }

    /// The calls of the last reply that have no result yet.
    pub fn open_calls(&self) -> impl Iterator<Item = &CallState> {
        self.last_reply().into_iter().flat_map(|reply| &reply.calls).filter(|call| call.outcome.is_none())
    }

    /// How many of the last replies, in a row, had no tool call and did not end the work either. What a person says, and a new
    /// run, is a new beginning.
    pub fn cut_in_a_row(&self) -> usize {
        let replies = self.turns.iter().rev().filter_map(|turn| turn.reply.as_ref());
        let cut = |reply: &&ReplyState| reply.up_to >= self.fresh && reply.calls.is_empty() && !reply.stop.ends_work();
        replies.take_while(cut).count()
    }

    /// Whether there are messages that no reply has seen.
    pub fn has_unseen_messages(&self) -> bool {
        self.last_message > self.seen()
    }

    /// Up to which event messages were seen by a reply.
    pub fn seen(&self) -> Seq {
        self.last_reply().map_or(Seq(0), |reply| reply.up_to)
    }

    /// Whether the next reply is to be a compaction note.
    pub fn compacts(&self) -> bool {
        self.compaction > self.seen()
    }

    /// How many replies there are since the conversation was last begun afresh.
    pub fn replies_since_compaction(&self) -> usize {
        let turns = self.turns.iter().rev().take_while(|turn| turn.turn >= self.begins);
        turns.filter(|turn| turn.reply.is_some()).count()
    }

    /// The turn to ask for next and which try at it that is.
    pub fn next_call(&self) -> (TurnNumber, Attempt) {
        match self.last() {
            Some(turn) if turn.reply.is_none() => (turn.turn, Attempt(turn.attempts + 1)),
            Some(turn) => (turn.turn.next(), Attempt(1)),
            None => (TurnNumber(1), Attempt(1)),
        }
    }

    pub(super) fn apply(&mut self, which: Conversation, event: &Event) {
        match &event.body {
            EventBody::RunStarted(_) => self.fresh = event.seq,
            EventBody::UserMessage(message) if message.conversation == which && message.author == Author::User => {
                self.fresh = event.seq;
                if message.answers.is_none() {
                    self.last_message = event.seq;
                }
            }
            EventBody::UserMessage(message) if message.conversation == which && message.answers.is_none() => {
                self.last_message = event.seq;
                if message.author == Author::Compaction {
                    self.compaction = event.seq;
                }
            }
            EventBody::ContextChanged(changed) if which == Conversation::Main => {
                self.context_tokens = changed.tokens_after;
                self.begins = changed.begins;
                self.compactions += 1;
                self.compaction = Seq(0);
            }
            EventBody::TurnStarted(started) if started.call.conversation == which => {
                match self.turn(started.call.turn) {
                    Some(turn) => {
                        turn.attempts = turn.attempts.max(started.call.attempt.0);
                        turn.up_to = started.up_to;
                        turn.max_tokens = started.max_tokens;
                    }
                    None => self.turns.push(TurnState {
                        turn: started.call.turn,
                        attempts: started.call.attempt.0,
                        up_to: started.up_to,
                        max_tokens: started.max_tokens,
                        next_max_tokens: None,
                        failures: 0,
                        reply: None,
                    }),
                }
            }
            EventBody::ModelRetrying(retrying) if retrying.call.conversation == which => {
                if let Some(turn) = self.turn(retrying.call.turn) {
                    turn.next_max_tokens = retrying.next_max_tokens.or(turn.next_max_tokens);
                    match retrying.cause {
                        RetryCause::Failure => turn.failures += 1,
                        RetryCause::Pause => turn.failures = 0,
                    }
                }
            }
            EventBody::ModelReplied(replied) if replied.call.conversation == which => {
                self.context_tokens = replied.usage.context_tokens() + replied.usage.output_tokens;
                if let Some(turn) = self.turn(replied.call.turn)
                    && turn.reply.is_none()
                {
                    turn.reply = Some(ReplyState {
                        call: replied.call,
                        up_to: turn.up_to,
                        stop: replied.stop.clone(),
                        calls: Vec::new(),
                        said_something: false,
                    });
                }
            }
            EventBody::AiMessage(message) if which == Conversation::Main => {
                if let Some(reply) = self.reply(message.turn) {
                    reply.said_something = true;
                }
            }
            EventBody::ToolCall(called) if which == Conversation::Main => {
                if let Some(reply) = self.reply(called.turn) {
                    reply.calls.push(CallState {
                        id: called.call.clone(),
                        tool: called.tool.clone(),
                        started_in: None,
                        outcome: None,
                    });
                }
            }
            EventBody::ToolStarted(started) if which == Conversation::Main => {
                if let Some(call) = self.call(started.turn, &started.call) {
                    call.started_in = Some(started.sandbox.clone());
                }
            }
            EventBody::ToolResult(answered) if which == Conversation::Main => {
                if let Some(call) = self.call(answered.turn, &answered.call)
                    && call.outcome.is_none()
                {
                    call.outcome = Some(answered.outcome);
                }
            }
            _ => {}
        }
    }

    fn turn(&mut self, number: TurnNumber) -> Option<&mut TurnState> {
        self.turns.iter_mut().rev().find(|turn| turn.turn == number)
    }

    fn reply(&mut self, number: TurnNumber) -> Option<&mut ReplyState> {
        self.turn(number)?.reply.as_mut()
    }

    fn call(&mut self, number: TurnNumber, id: &CallId) -> Option<&mut CallState> {
        self.reply(number)?.calls.iter_mut().find(|call| call.id == *id)
    }
}
