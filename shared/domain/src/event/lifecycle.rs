//! Beginning and end of sessions, runs and steps.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Attempt, ErrorCode, InvocationId, Limits, MicroDollars, Session, SpanId, Status, Step, TurnNumber, Verdict,
};

/// The first event of every log: the session was admitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionCreated {
    pub session: Session,
}

/// A run was created: run 1 with the request, each further one with a message to a session whose run is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunStarted {
    /// The id that the run's root span will have when it is emitted, at the end of the run. Fixed here, so that steps in
    /// other processes can name it as their parent.
    pub root_span_id: SpanId,
    pub limits: Limits,
    /// When the run was queued: for what it waits, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<String>,
}

/// The run's status changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionStatus {
    /// The new status, never a terminal one: only `run.finished` ends a run.
    pub status: Status,
}

/// An invocation of a step started. It is the fence: every earlier invocation of a step in this run is stale from here on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepStarted {
    pub step: Step,
    /// Counts the invocations of this step in this run, from 1.
    pub attempt: Attempt,
    /// Missing in logs of versions that did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation: Option<InvocationId>,
    /// When the invocation is cut off, if it has not ended by then. Missing in logs of versions that did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
}

/// A step answered the workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepFinished {
    pub step: Step,
    pub attempt: Attempt,
    pub verdict: Verdict,
    /// With the verdict `wait`: seconds to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_seconds: Option<u32>,
    /// With the verdict `wait`: the verdict that follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<Verdict>,
    pub duration_ms: u64,
}

/// An invocation of a step ended in an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepFailed {
    pub step: Step,
    pub attempt: Attempt,
    /// The code of a terminal error; none when the workflow retries the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
    pub message: String,
}

/// The run cannot continue. `run.finished` follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionError {
    pub code: ErrorCode,
    /// What happened, to what.
    pub message: String,
    /// What the user can do about it ([`ErrorCode::remedy`], as it was when the event was written).
    pub remedy: String,
}

/// The run fails. What is stored of its work is published first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunFailing {
    pub code: ErrorCode,
    pub message: String,
}

/// The run is over: its last event, but for those about the removal of its sandbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunFinished {
    /// A terminal status.
    pub status: Status,
    /// What was done, in a few sentences for the user.
    pub summary: String,
    /// None when this run opened or updated no pull request.
    #[serde(default)]
    pub pr_url: Option<String>,
    /// None when this run published no branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Work that is not published, each file with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    pub totals: Totals,
}

/// The session is being deleted: the last event of its log, after which no run starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionDeleted {}

/// What a run used and changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Replies of the model in the main conversation.
    pub turns: u32,
    /// Tool calls that have a result.
    pub tool_calls: u32,
    /// A call whose outcome is unknown counts with its whole reservation.
    pub cost: MicroDollars,
    /// Milliseconds in which a step ran; waiting for a person does not count.
    pub active_ms: u64,
    /// Tokens read from and written to the prompt cache included.
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// Files in the published change.
    pub files: u32,
    /// Lines added by the published change.
    pub additions: u64,
    /// Lines deleted by the published change.
    pub deletions: u64,
    /// The last turn that has a reply.
    pub last_turn: TurnNumber,
}
