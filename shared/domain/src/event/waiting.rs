//! Waiting for people, their messages, and other messages to the model.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{BudgetLimit, CallId, PlanId, TurnNumber};

/// The run waits for a person. It resumes with the answer, or at the deadline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitStarted {
    pub reason: WaitReason,
    pub deadline: Timestamp,
}

/// What a person is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase", tag = "for")]
pub enum WaitReason {
    /// To approve or reject a plan.
    PlanApproval { plan: PlanId },
    /// To answer a question that the plan depends on.
    PlanQuestion { question: String },
    /// To answer a question of the model (the tool `ask_user`).
    Question {
        /// The tool call that the answer is the result of.
        call: CallId,
        question: String,
    },
    /// To extend the budget.
    Budget {
        limit: String,
        /// Missing in logs of versions that recorded the sentence only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        which: Option<BudgetLimit>,
    },
    /// To help a model that repeats itself although it was warned.
    Stuck { reason: String },
}

/// A wait is over. Appended before the waiting task is completed, so a crash in between loses no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitEnded {
    pub outcome: WaitOutcome,
}

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitOutcome {
    /// The plan was approved.
    Approved,
    /// The plan was rejected without a message: the run ends.
    Rejected,
    /// A person sent a message to the plan's conversation.
    PlanAnswered,
    /// A person sent a message to the main conversation.
    Answered,
    /// The budget was extended.
    Extended,
    /// The run is to be cancelled.
    Cancelled,
    /// Nobody answered before the deadline.
    Expired,
}

/// A message to the model, from a person or from us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserMessage {
    pub conversation: Conversation,
    pub author: Author,
    /// Redacted.
    pub text: String,
    /// The tool call that it answers; the model then reads it as the result of that call, not as a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<CallId>,
}

/// A session has two conversations with the model, each with a system prompt of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conversation {
    /// Makes the plan, whose text enters the main one.
    Plan,
    /// Does the work, with tools.
    Main,
}

/// Who wrote a message to the model. All but `User` are ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    User,
    /// Opens a conversation: the task, with the survey and the plan.
    Brief,
    /// Reminds the model: it called no tool, the budget is nearly spent, it repeats itself.
    Nudge,
    /// Passes on the instructions of a directory that the model touched.
    Instructions,
    /// Reports a conflict with the base branch.
    Conflict,
    /// Reports checks that the change has broken.
    Checks,
    /// Names written files that would not be published.
    LeftOut,
    /// Asks for the note that opens the next conversation when this one is compacted.
    #[serde(alias = "handover")]
    Compaction,
}

/// A person asked for the run to end. A running step notices within two seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionCancelRequested {
    pub keep: Keep,
}

/// What happens to the work of a cancelled run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// It is published as a branch.
    Branch,
    /// Nothing is published.
    Nothing,
}

/// The model repeats the same calls with the same results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentStuck {
    pub reason: String,
}

/// The main conversation was compacted: a new one begins, which opens with a note about the old one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContextChanged {
    pub reason: String,
    /// Length of the old conversation in tokens, as the model's service counted it.
    pub tokens_before: u64,
    /// Length of the new conversation in tokens, estimated: only the next reply brings the service's count.
    pub tokens_after: u64,
    /// The first turn of the new conversation. Calls that were made before this event belong to the old one.
    pub begins: TurnNumber,
}
