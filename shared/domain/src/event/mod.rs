//! The entries of a session's log.
//!
//! An event is immutable. Its fields may gain optional ones; none is renamed or removed, since logs outlive deployments.

mod lifecycle;
mod model;
mod planning;
mod publishing;
mod sandbox;
mod tools;
mod waiting;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use lifecycle::{
    RunFinished, RunStarted, SessionCreated, SessionError, SessionStatus, StepFailed, StepFinished, StepStarted, Totals,
};
pub use model::{
    AiMessage, AiThinking, BudgetExhausted, BudgetExtended, BudgetLimit, BudgetNearing, BudgetReserved, BudgetSettled,
    CallKey, ModelReplied, ModelRetrying, RetryCause, TurnStarted, UsageUpdated,
};
pub use planning::{
    Approver, DecisionRecorded, InstructionsRead, PlanApproved, PlanCreated, PlanRejected, RepositorySurveyed,
};
pub use publishing::{
    BranchPublished, ChangesetCollected, GitAction, GitOperation, PrOpened, PrUpdated, PublishStarted, ScoreRecorded,
    ScoreSource,
};
pub use sandbox::{
    CloneProgress, Layout, SandboxAttached, SandboxCreated, SandboxLost, SandboxTerminated, SandboxTerminating,
};
pub use tools::{
    Check, FileChangeKind, FileChanged, TodoUpdated, ToolCall, ToolKind, ToolOutcome, ToolResult, ToolStarted,
    WorkspaceCheckpoint,
};
pub use waiting::{
    AgentStuck, Author, ContextChanged, Conversation, Keep, SessionCancelRequested, UserMessage, WaitEnded,
    WaitOutcome, WaitReason, WaitStarted,
};

use crate::{Attempt, RunNumber, Seq, SpanId, Step, TraceId};

/// An entry of a session's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its place in the log.
    pub seq: Seq,
    /// When it was written.
    pub at: Timestamp,
    /// The run it belongs to.
    pub run: RunNumber,
    /// The step that wrote it; none for what users and the reconciler write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writer: Option<Writer>,
    /// The session's trace.
    pub trace_id: TraceId,
    /// The span it belongs to.
    pub span_id: SpanId,
    /// What happened.
    #[serde(flatten)]
    pub body: EventBody,
}

/// A step at work. A later `step.started` of the same run makes it stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writer {
    /// The step.
    pub step: Step,
    /// Which of its invocations in this run.
    pub attempt: Attempt,
}

macro_rules! bodies {
    ($($name:ident = $kind:literal,)*) => {
        /// What happened, by its stable name (`kind`).
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind", content = "data")]
        pub enum EventBody {
            $(
                #[doc = concat!("`", $kind, "`")]
                #[serde(rename = $kind)]
                $name($name),
            )*
        }

        impl EventBody {
            /// Every kind.
            pub const KINDS: &'static [&'static str] = &[$($kind,)*];

            /// The stable name.
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$name(_) => $kind,)* }
            }
        }

        $(
            impl From<$name> for EventBody {
                fn from(body: $name) -> Self {
                    Self::$name(body)
                }
            }
        )*
    };
}

bodies! {
    SessionCreated = "session.created",
    RunStarted = "run.started",
    SessionStatus = "session.status",
    StepStarted = "step.started",
    StepFinished = "step.finished",
    StepFailed = "step.failed",
    SandboxCreated = "sandbox.created",
    SandboxAttached = "sandbox.attached",
    SandboxLost = "sandbox.lost",
    SandboxTerminating = "sandbox.terminating",
    SandboxTerminated = "sandbox.terminated",
    CloneProgress = "clone.progress",
    RepositorySurveyed = "repository.surveyed",
    InstructionsRead = "instructions.read",
    PlanCreated = "plan.created",
    PlanApproved = "plan.approved",
    PlanRejected = "plan.rejected",
    WaitStarted = "wait.started",
    WaitEnded = "wait.ended",
    BudgetReserved = "budget.reserved",
    BudgetSettled = "budget.settled",
    BudgetNearing = "budget.nearing",
    BudgetExhausted = "budget.exhausted",
    BudgetExtended = "budget.extended",
    TurnStarted = "turn.started",
    ModelReplied = "model.replied",
    ModelRetrying = "model.retrying",
    AiMessage = "ai.message",
    AiThinking = "ai.thinking",
    ToolCall = "tool.call",
    ToolStarted = "tool.started",
    ToolResult = "tool.result",
    TodoUpdated = "todo.updated",
    FileChanged = "file.changed",
    WorkspaceCheckpoint = "workspace.checkpoint",
    AgentStuck = "agent.stuck",
    ContextChanged = "context.changed",
    DecisionRecorded = "decision.recorded",
    UserMessage = "user.message",
    SessionCancelRequested = "session.cancel_requested",
    ChangesetCollected = "changeset.collected",
    GitOperation = "git.operation",
    PublishStarted = "publish.started",
    BranchPublished = "branch.published",
    PrOpened = "pr.opened",
    PrUpdated = "pr.updated",
    UsageUpdated = "usage.updated",
    ScoreRecorded = "score.recorded",
    SessionError = "session.error",
    RunFinished = "run.finished",
}
