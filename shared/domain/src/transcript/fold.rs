//! What each kind of event adds to the conversations.

#![deny(clippy::wildcard_enum_match_arm)]

use crate::{
    Author, ContextChanged, Conversation, Event, EventBody, ModelReplied, Seq, ToolCall, ToolResult, TurnStarted,
    UserMessage,
};

use super::{AnsweredTurn, CallResult, CurrentTurn, Message, Recap, SentMessages, Transcript, Transcripts};

impl Transcripts {
    /// Applies the next event. Every kind has an arm, so that the compiler asks here about a new one.
    pub fn apply(&mut self, event: &Event) {
        match &event.body {
            EventBody::TurnStarted(started) => self.of_mut(started.call.conversation).call_started(started),
            EventBody::ModelReplied(replied) => self.of_mut(replied.call.conversation).replied(replied),
            EventBody::UserMessage(message) => {
                self.of_mut(message.conversation).message(event.seq, message);
                self.recap.message(message);
            }
            // Only the main conversation has tools, and only it is ever compacted.
            EventBody::ToolResult(result) => {
                self.of_mut(Conversation::Main).answered(result);
                self.recap.answered(result);
            }
            EventBody::ContextChanged(changed) => {
                self.of_mut(Conversation::Main).restart(event.seq, changed);
                self.recap = Recap::default();
            }
            EventBody::AiMessage(message) => self.recap.said(message),
            EventBody::ToolCall(called) => {
                self.of_mut(Conversation::Main).called(called);
                self.recap.called(called);
            }
            // What the model has to know about these it reads in a message or a result.
            EventBody::SessionCreated(_)
            | EventBody::RunStarted(_)
            | EventBody::SessionStatus(_)
            | EventBody::StepStarted(_)
            | EventBody::StepFinished(_)
            | EventBody::StepFailed(_)
            | EventBody::SandboxCreated(_)
            | EventBody::SandboxAttached(_)
            | EventBody::SandboxLost(_)
            | EventBody::SandboxTerminating(_)
            | EventBody::SandboxTerminated(_)
            | EventBody::NetworkAllowed(_)
            | EventBody::NetworkRefused(_)
            | EventBody::CloneProgress(_)
            | EventBody::SetupStarted(_)
            | EventBody::SetupFinished(_)
            | EventBody::RepositorySurveyed(_)
            | EventBody::InstructionsRead(_)
            | EventBody::PlanCreated(_)
            | EventBody::PlanApproved(_)
            | EventBody::PlanRejected(_)
            | EventBody::WaitStarted(_)
            | EventBody::WaitEnded(_)
            | EventBody::BudgetReserved(_)
            | EventBody::BudgetSettled(_)
            | EventBody::BudgetNearing(_)
            | EventBody::BudgetExhausted(_)
            | EventBody::BudgetExtended(_)
            | EventBody::ModelRetrying(_)
            | EventBody::AiThinking(_)
            | EventBody::ToolStarted(_)
            | EventBody::CheckStarted(_)
            | EventBody::CheckFinished(_)
            | EventBody::VerificationRecorded(_)
            | EventBody::TodoUpdated(_)
            | EventBody::FileChanged(_)
            | EventBody::WorkspaceCheckpoint(_)
            | EventBody::WorkspaceCheckpointFailed(_)
            | EventBody::AgentStuck(_)
            | EventBody::DecisionRecorded(_)
            | EventBody::SessionCancelRequested(_)
            | EventBody::ChangesetCollected(_)
            | EventBody::GitOperation(_)
            | EventBody::PublishStarted(_)
            | EventBody::BranchPublished(_)
            | EventBody::PrOpened(_)
            | EventBody::PrUpdated(_)
            | EventBody::UsageUpdated(_)
            | EventBody::ScoreRecorded(_)
            | EventBody::SessionError(_)
            | EventBody::RunFailing(_)
            | EventBody::RunFinished(_)
            | EventBody::SessionDeleted(_) => {}
        }
    }
}

impl Transcript {
    fn call_started(&mut self, started: &TurnStarted) {
        let (call, up_to) = (started.call, started.up_to);
        let is_current = call.turn == self.current.number && up_to >= self.restarted;
        // The first event of a call counts: that is what was sent.
        if is_current && !self.current.calls.iter().any(|(known, _)| *known == call) {
            self.current.calls.push((call, up_to));
        }
    }

    /// The first reply of a turn is the only one that counts: after it, another turn is the current one.
    fn replied(&mut self, replied: &ModelReplied) {
        let Some((_, up_to)) = self.current.calls.iter().find(|(call, _)| *call == replied.call).copied() else {
            return;
        };
        let number = self.current.number;
        let CurrentTurn { results, messages, .. } = std::mem::take(&mut self.current);
        let (sent, later) = messages.into_iter().partition(|message| message.seq <= up_to);
        let messages = in_sending_order(sent, self.restarted);
        self.answered.push_back(AnsweredTurn {
            number,
            results,
            messages,
            reply: replied.reply.clone(),
            calls: Vec::new(),
        });
        self.current = CurrentTurn { number: number.next(), messages: later, ..CurrentTurn::default() };
    }

    fn called(&mut self, called: &ToolCall) {
        self.call_ids.insert(called.call.clone());
        if let Some(answered) = self.answered.back_mut().filter(|answered| answered.number == called.turn) {
            answered.calls.push(called.call.clone());
        }
    }

    fn answered(&mut self, result: &ToolResult) {
        let is_of_last_reply = result.turn.next() == self.current.number && self.has_reply();
        if is_of_last_reply && !self.current.results.iter().any(|known| known.call == result.call) {
            let (call, outcome, output) = (result.call.clone(), result.outcome, result.output.clone());
            self.current.results.push(CallResult { call, outcome, output });
        }
    }

    fn has_reply(&self) -> bool {
        !self.answered.is_empty() || !self.sent.is_empty()
    }

    fn message(&mut self, seq: Seq, message: &UserMessage) {
        // The model reads an answer to its question as the result of the call that asked.
        if message.answers.is_none() {
            self.current.messages.push(Message { seq, author: message.author, text: message.text.clone() });
        }
    }

    /// Starts the new conversation with the messages that no answered call has sent.
    fn restart(&mut self, at: Seq, changed: &ContextChanged) {
        let mut messages = std::mem::take(&mut self.current.messages);
        // The request for a compaction note belongs to the conversation that was compacted, and so does its opening, which is
        // among these when no call of it was answered.
        messages.retain(|message| !matches!(message.author, Author::Compaction | Author::Brief));
        self.restarted = at;
        self.sent = SentMessages::default();
        self.answered.clear();
        self.call_ids.clear();
        self.current = CurrentTurn { number: changed.begins, messages, ..CurrentTurn::default() };
    }
}

impl CurrentTurn {
    /// The messages that a call sends which reads the log up to `up_to`.
    pub(super) fn messages_up_to(&self, up_to: Seq, restarted: Seq) -> Vec<Message> {
        let messages = self.messages.iter().filter(|message| message.seq <= up_to).cloned().collect();
        in_sending_order(messages, restarted)
    }
}

/// The opening of a restarted conversation comes first, also before messages that arrived while it was written.
fn in_sending_order(messages: Vec<Message>, restarted: Seq) -> Vec<Message> {
    let opens = |message: &Message| message.author == Author::Brief && restarted > Seq(0);
    let (mut ordered, rest): (Vec<Message>, Vec<Message>) = messages.into_iter().partition(opens);
    ordered.extend(rest);
    ordered
}
