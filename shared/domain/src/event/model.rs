//! Calls to the model, what is reserved for them, and what they cost.

use serde::{Deserialize, Serialize};

use crate::{Attempt, Conversation, MicroDollars, Payload, Seq, StopReason, TurnNumber, Usage};

/// Identifies one call to the model: an attempt at the reply of one turn. All events about the call carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallKey {
    pub conversation: Conversation,
    /// Counted per conversation, across runs.
    pub turn: TurnNumber,
    /// Counts the calls for this turn, from 1.
    pub attempt: Attempt,
}

/// The worst-case cost of a call was reserved, before the call is made.
///
/// Until it is settled it counts as spent: if the process dies during the call, nobody knows whether the service billed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetReserved {
    pub call: CallKey,
    /// The worst case ([`Model::worst_case`](crate::Model::worst_case)).
    pub amount: MicroDollars,
}

/// The actual cost of a call is known; it replaces the reservation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetSettled {
    pub call: CallKey,
    pub cost: MicroDollars,
}

/// A limit of a run: one of the three of its budget, or the workflow's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetLimit {
    /// Replies of the model in the main conversation.
    Turns,
    /// Micro-dollars, unsettled reservations included.
    Cost,
    /// Active minutes: time in which a step ran. Waiting for a person does not count.
    Minutes,
    /// Invocations of steps. Nobody can extend it: it keeps the run within what the workflow service can record.
    Steps,
}

/// A limit is near, and the model was warned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetNearing {
    pub limit: BudgetLimit,
    /// What is left of the limit, in a sentence.
    pub left: String,
}

/// A limit does not allow another turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetExhausted {
    /// The limit and what it is at, in a sentence.
    pub limit: String,
    /// Missing in logs of versions that recorded the sentence only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub which: Option<BudgetLimit>,
}

/// The run's limits were raised by these amounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BudgetExtended {
    pub turns: u32,
    pub cost: MicroDollars,
    pub minutes: u32,
}

/// A call to the model is about to be made. The intent of the call, and what fixes the messages that are sent with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TurnStarted {
    pub call: CallKey,
    /// The call sends messages up to this event; later ones go with the next turn. Recorded, because messages arrive while a
    /// call is made: without it, the transcript rebuilt from a longer log would differ from what was sent.
    pub up_to: Seq,
    pub model: String,
    /// Limit of the reply, in tokens.
    pub max_tokens: u32,
}

/// The model replied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelReplied {
    pub call: CallKey,
    /// The message object as received, byte for byte: current models sign their thinking over the conversation and refuse an
    /// edited one. Not redacted, therefore private: it is sent back to the model and never shown.
    pub reply: Payload,
    pub stop: StopReason,
    pub usage: Usage,
    pub cost: MicroDollars,
}

/// A call did not lead to a reply; the turn is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelRetrying {
    /// The call that failed.
    pub call: CallKey,
    pub reason: String,
    pub cause: RetryCause,
    /// Seconds from this event to the next attempt.
    pub in_seconds: u64,
    /// Limit of the next reply in tokens, when it has to be shorter to end before the step's deadline or to fit the model's
    /// window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_max_tokens: Option<u32>,
    /// The model's context window in tokens, when the service stated it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_tokens: Option<u64>,
}

/// Why a turn is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryCause {
    /// The call broke off. Counted: after several in a row the run fails.
    Failure,
    /// The service asked for a pause (rate limit, overload). Not counted as a failure.
    Pause,
    /// A filter of the service withheld the reply. Counted like a failure, and by itself: fewer of these end the run.
    Filtered,
    /// The service refused the conversation as it is. The next call opens a new one.
    Refused,
}

/// Text of the model for the user, redacted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AiMessage {
    pub turn: TurnNumber,
    pub text: Payload,
}

/// The service's summary of the model's thinking, redacted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AiThinking {
    pub turn: TurnNumber,
    pub text: Payload,
}

/// What the run has used so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageUpdated {
    /// Tokens of all calls of the run together.
    pub usage: Usage,
    pub cost: MicroDollars,
    /// Length of the conversation at the last call, in tokens.
    pub context_tokens: u64,
}
