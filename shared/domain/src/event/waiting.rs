//! Waiting for people, and what they say.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{BudgetLimit, CallId, PlanId, TurnNumber};

/// The run goes on when a person answers, or ends at the deadline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitStarted {
    /// For what.
    pub reason: WaitReason,
    /// Until when.
    pub deadline: Timestamp,
}

/// What a person is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase", tag = "for")]
pub enum WaitReason {
    /// To approve or reject a plan.
    PlanApproval {
        /// The plan.
        plan: PlanId,
    },
    /// To answer what the plan depends on.
    PlanQuestion {
        /// The question.
        question: String,
    },
    /// To answer the model.
    Question {
        /// The call that asks.
        call: CallId,
        /// The question.
        question: String,
    },
    /// To extend the budget.
    Budget {
        /// Which limit is reached, in a sentence.
        limit: String,
        /// The limit by its name; logs from before there were names lack it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        which: Option<BudgetLimit>,
    },
    /// To help a run that goes in circles.
    Stuck {
        /// What was seen.
        reason: String,
    },
}

/// A wait is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitEnded {
    /// How.
    pub outcome: WaitOutcome,
}

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitOutcome {
    /// The plan was approved.
    Approved,
    /// The plan was rejected, without a message: the run ends.
    Rejected,
    /// A message for the plan's conversation came.
    PlanAnswered,
    /// A message for the main conversation came.
    Answered,
    /// The budget was extended.
    Extended,
    /// The run is cancelled.
    Cancelled,
    /// Nobody answered in time.
    Expired,
}

/// Something is said to the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserMessage {
    /// To which conversation it belongs.
    pub conversation: Conversation,
    /// Who says it.
    pub author: Author,
    /// What, with secrets masked.
    pub text: String,
    /// The call of `ask_user` that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<CallId>,
}

/// A session has two conversations with the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conversation {
    /// The plan's.
    Plan,
    /// The one that does the work.
    Main,
}

/// Who speaks to the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    /// A person.
    User,
    /// We, opening a conversation: the task with what was found and planned.
    Brief,
    /// We, reminding it of something: no tool was used, the budget is nearly spent, it goes in circles.
    Nudge,
    /// We, handing on instructions of a directory that it touched.
    Instructions,
    /// We, telling it of a conflict with the base branch.
    Conflict,
    /// We, asking for the note with which a new conversation goes on.
    #[serde(alias = "handover")]
    Compaction,
}

/// Somebody asked for the run to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionCancelRequested {
    /// What becomes of the work so far.
    pub keep: Keep,
}

/// What becomes of the work of a cancelled run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// It is published as a branch.
    Branch,
    /// Nothing is published.
    Nothing,
}

/// The run goes in circles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentStuck {
    /// What was seen.
    pub reason: String,
}

/// What the model sees of the conversation was changed: a new one begins, which opens with what is needed of the old.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContextChanged {
    /// How and why.
    pub reason: String,
    /// Tokens before, as counted by the model's service.
    pub tokens_before: u64,
    /// Tokens after, estimated: the next reply brings the count.
    pub tokens_after: u64,
    /// The turn with which the new conversation begins. Calls that were made before this event belong to the old one.
    pub begins: TurnNumber,
}
