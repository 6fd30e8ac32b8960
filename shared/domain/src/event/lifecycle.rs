//! Sessions, runs and steps come and go.

use serde::{Deserialize, Serialize};

use crate::{Attempt, ErrorCode, Limits, MicroDollars, Session, SpanId, Status, Step, TurnNumber, Verdict};

/// A session was admitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionCreated {
    /// All that is fixed about it.
    pub session: Session,
}

/// A run began: the first with the request, a further one with a message to a finished session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunStarted {
    /// The id that the run's root span will have.
    pub root_span_id: SpanId,
    /// What the run may use.
    pub limits: Limits,
    /// Why it does not begin at once, if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<String>,
}

/// The run's status changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionStatus {
    /// What it is now.
    pub status: Status,
}

/// A step went to work. From here on every earlier invocation of a step in this run is stale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepStarted {
    /// The step.
    pub step: Step,
    /// Which invocation of the step in this run.
    pub attempt: Attempt,
}

/// A step answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepFinished {
    /// The step.
    pub step: Step,
    /// Which invocation.
    pub attempt: Attempt,
    /// What comes next.
    pub verdict: Verdict,
    /// With `wait`: how long, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_seconds: Option<u32>,
    /// With `wait`: what comes after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<Verdict>,
    /// How long it was at work.
    pub duration_ms: u64,
}

/// A step did not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepFailed {
    /// The step.
    pub step: Step,
    /// Which invocation.
    pub attempt: Attempt,
    /// The code when the run ends with it; none when it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
    /// What happened.
    pub message: String,
}

/// The run cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionError {
    /// Why.
    pub code: ErrorCode,
    /// What happened, to what.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

/// The run is over: its last event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunFinished {
    /// How it ended: a terminal status.
    pub status: Status,
    /// What was done, in some sentences.
    pub summary: String,
    /// The pull request.
    #[serde(default)]
    pub pr_url: Option<String>,
    /// The branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// What it took.
    pub totals: Totals,
}

/// What a run took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Replies of the model in the main conversation.
    pub turns: u32,
    /// Tool calls answered.
    pub tool_calls: u32,
    /// Money spent; a call whose outcome is unknown counts in full.
    pub cost: MicroDollars,
    /// Time in which a step was at work, in milliseconds.
    pub active_ms: u64,
    /// Input tokens, those of the cache included.
    pub input_tokens: u64,
    /// Output tokens.
    pub output_tokens: u64,
    /// Files in the published change.
    pub files: u32,
    /// Lines added by it.
    pub additions: u64,
    /// Lines deleted by it.
    pub deletions: u64,
    /// The last turn.
    pub last_turn: TurnNumber,
}
