//! Which events are part of a conversation with the model.

#![deny(clippy::wildcard_enum_match_arm)]

use std::collections::HashMap;

use crate::ports::{Blobs, load_text};
use crate::{
    ContextChanged, Conversation, Digest256, Event, EventBody, ModelReplied, Payload, SessionId, ToolResult,
    TurnStarted, Unavailable, UserMessage,
};

/// An event that is part of a conversation.
#[derive(Clone, Copy)]
pub(super) enum Entry<'a> {
    Call(&'a TurnStarted),
    Reply(&'a ModelReplied),
    Result(&'a ToolResult),
    Message(&'a UserMessage),
    /// The main conversation was compacted: a new one starts.
    Restart(&'a ContextChanged),
}

impl<'a> Entry<'a> {
    /// None for an event that is not part of a conversation.
    pub(super) fn of(body: &'a EventBody) -> Option<Self> {
        match body {
            EventBody::TurnStarted(started) => Some(Self::Call(started)),
            EventBody::ModelReplied(replied) => Some(Self::Reply(replied)),
            EventBody::ToolResult(result) => Some(Self::Result(result)),
            EventBody::UserMessage(message) => Some(Self::Message(message)),
            EventBody::ContextChanged(changed) => Some(Self::Restart(changed)),
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
            | EventBody::CloneProgress(_)
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
            | EventBody::AiMessage(_)
            | EventBody::AiThinking(_)
            | EventBody::ToolCall(_)
            | EventBody::ToolStarted(_)
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
            | EventBody::RunFinished(_) => None,
        }
    }

    pub(super) fn conversation(self) -> Conversation {
        match self {
            Self::Call(started) => started.call.conversation,
            Self::Reply(replied) => replied.call.conversation,
            Self::Message(message) => message.conversation,
            // Only the main conversation has tools, and only it is ever compacted.
            Self::Result(_) | Self::Restart(_) => Conversation::Main,
        }
    }

    /// The text that may be stored outside the event.
    fn text(self) -> Option<&'a Payload> {
        match self {
            Self::Reply(replied) => Some(&replied.reply),
            Self::Result(result) => Some(&result.output),
            Self::Call(_) | Self::Message(_) | Self::Restart(_) => None,
        }
    }
}

/// The replies and results of a conversation that are stored outside their events, because they are too long for them.
#[derive(Debug, Default)]
pub struct Texts(HashMap<Digest256, String>);

impl Texts {
    /// Fetches every text of `conversation` that is stored outside its event.
    pub async fn fetch(
        blobs: &dyn Blobs,
        session: &SessionId,
        events: &[Event],
        conversation: Conversation,
    ) -> Result<Self, Unavailable> {
        let mut texts = HashMap::new();
        let entries = events.iter().filter_map(|event| Entry::of(&event.body));
        for payload in entries.filter(|entry| entry.conversation() == conversation).filter_map(Entry::text) {
            if let Payload::Stored(blob) = payload
                && !texts.contains_key(&blob.sha256)
            {
                texts.insert(blob.sha256.clone(), load_text(blobs, session, payload).await?);
            }
        }
        Ok(Self(texts))
    }

    /// None when the text was not fetched.
    pub(super) fn get<'a>(&'a self, payload: &'a Payload) -> Option<&'a str> {
        match payload {
            Payload::Inline(text) => Some(text),
            Payload::Stored(blob) => self.0.get(&blob.sha256).map(String::as_str),
        }
    }
}
