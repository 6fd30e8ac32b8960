//! Calls to the model and their price.

use serde::{Deserialize, Serialize};

use crate::{Attempt, Conversation, MicroDollars, Payload, Seq, StopReason, TurnNumber, Usage};

/// Names one try at one reply. Everything about the same call carries the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallKey {
    /// The conversation.
    pub conversation: Conversation,
    /// The turn in it.
    pub turn: TurnNumber,
    /// Which try.
    pub attempt: Attempt,
}

/// Money was set aside for a call. Until it is settled it counts as spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetReserved {
    /// The call.
    pub call: CallKey,
    /// The most it can cost.
    pub amount: MicroDollars,
}

/// The price of a call is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetSettled {
    /// The call.
    pub call: CallKey,
    /// What it cost.
    pub cost: MicroDollars,
}

/// A limit of the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetLimit {
    /// Replies of the model.
    Turns,
    /// Money.
    Cost,
    /// Minutes in which a step was at work.
    Minutes,
}

/// A limit is near, and the model was told so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetNearing {
    /// Which.
    pub limit: BudgetLimit,
    /// What is left of it, in a sentence.
    pub left: String,
}

/// A limit is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetExhausted {
    /// Which, in a sentence.
    pub limit: String,
    /// The limit by its name; logs from before there were names lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub which: Option<BudgetLimit>,
}

/// The run may use more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BudgetExtended {
    /// More turns.
    pub turns: u32,
    /// More money.
    pub cost: MicroDollars,
    /// More minutes.
    pub minutes: u32,
}

/// A call to the model is about to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TurnStarted {
    /// The call.
    pub call: CallKey,
    /// Messages up to here are part of what is sent; later ones wait for the next turn.
    pub up_to: Seq,
    /// The model.
    pub model: String,
    /// The longest reply asked for.
    pub max_tokens: u32,
}

/// The model replied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelReplied {
    /// The call.
    pub call: CallKey,
    /// The message as received. Private: it is sent back to the model and never shown.
    pub reply: Payload,
    /// Why it stopped.
    pub stop: StopReason,
    /// Tokens.
    pub usage: Usage,
    /// Price.
    pub cost: MicroDollars,
}

/// A call did not lead to a reply; it is made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelRetrying {
    /// The call that failed.
    pub call: CallKey,
    /// Why.
    pub reason: String,
    /// Whether it failed, or was told to wait.
    pub cause: RetryCause,
    /// When the next try is made, in seconds from now.
    pub in_seconds: u64,
    /// The limit for the next reply, when it is to be shorter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_max_tokens: Option<u32>,
}

/// Why a call is made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryCause {
    /// It broke off.
    Failure,
    /// The service asked for a pause.
    Pause,
}

/// Text of the model for the user, masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AiMessage {
    /// The turn.
    pub turn: TurnNumber,
    /// The text.
    pub text: Payload,
}

/// A summary of the model's thinking, masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AiThinking {
    /// The turn.
    pub turn: TurnNumber,
    /// The summary.
    pub text: Payload,
}

/// What the run used so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageUpdated {
    /// Tokens, all calls of the run together.
    pub usage: Usage,
    /// Money spent.
    pub cost: MicroDollars,
    /// Length of the conversation at the last call.
    pub context_tokens: u64,
}
