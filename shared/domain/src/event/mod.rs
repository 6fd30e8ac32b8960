//! The entries of a session's log.
//!
//! An event is immutable once it is appended. A kind may gain optional fields; none is renamed or removed, because a log is
//! read by later versions of the program than the one that wrote it.

mod checking;
mod lifecycle;
mod model;
mod planning;
mod publishing;
mod sandbox;
mod tools;
mod waiting;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use checking::{CheckFinished, CheckStarted, VerificationRecorded};
pub use lifecycle::{
    RunFailing, RunFinished, RunStarted, SessionCreated, SessionDeleted, SessionError, SessionStatus, StepFailed,
    StepFinished, StepStarted, Totals,
};
pub use model::{
    AiMessage, AiThinking, BudgetExhausted, BudgetExtended, BudgetLimit, BudgetNearing, BudgetReserved, BudgetSettled,
    CallKey, ModelReplied, ModelRetrying, RetryCause, TurnStarted, UsageUpdated,
};
pub use planning::{
    Approver, DecisionRecorded, FixedChecks, InstructionsRead, PlanApproved, PlanCreated, PlanRejected,
    RepositorySurveyed,
};
pub use publishing::{
    BranchPublished, ChangesetCollected, GitAction, GitOperation, PrOpened, PrUpdated, PublishStarted, ScoreRecorded,
    ScoreSource,
};
pub use sandbox::{
    CloneProgress, NetworkAllowed, NetworkRefused, SandboxAttached, SandboxCreated, SandboxLost, SandboxTerminated,
    SandboxTerminating, SetupFinished, SetupOutcome, SetupStarted,
};
pub use tools::{
    FileChangeKind, FileChanged, TodoUpdated, ToolCall, ToolKind, ToolOutcome, ToolResult, ToolStarted,
    WorkspaceCheckpoint, WorkspaceCheckpointFailed,
};
pub use waiting::{
    AgentStuck, Author, ContextChanged, Conversation, Keep, SessionCancelRequested, UserMessage, WaitEnded,
    WaitOutcome, WaitReason, WaitStarted,
};

use crate::{Attempt, CommandKey, RunNumber, Seq, SpanId, Step, TraceId};

/// An entry of a session's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Position in the log, from 1, without a gap.
    pub seq: Seq,
    /// When it was appended, by the clock of the process that appended it. The order of events is `seq`, not this.
    pub at: Timestamp,
    pub run: RunNumber,
    /// The step that wrote it; none for events written by commands (users, `reconcile`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writer: Option<Writer>,
    /// On the first event of a command that came with an idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandKey>,
    pub trace_id: TraceId,
    /// The span of the step that wrote it, or the root span of its run.
    pub span_id: SpanId,
    #[serde(flatten)]
    pub body: EventBody,
}

impl Event {
    /// Whether it is about a sandbox that is removed after the end of its run. Within a run only `prepare` and `await-user`
    /// terminate a sandbox.
    ///
    /// Streams and progress leave these events out: for viewers, the last event of a run is its `run.finished`.
    pub fn follows_end(&self) -> bool {
        let terminates = matches!(self.body, EventBody::SandboxTerminating(_) | EventBody::SandboxTerminated(_));
        terminates && self.writer.is_none_or(|writer| writer.step == Step::Finish)
    }
}

/// An invocation of a step. A later `step.started` of the same run makes it stale: its appends fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writer {
    pub step: Step,
    /// Counts the invocations of this step in this run, from 1.
    pub attempt: Attempt,
}

/// Makes the enum, the constants in [`kinds`] and the conversions from one list, so that the string of a kind is written once.
macro_rules! bodies {
    ($($name:ident = $constant:ident = $kind:literal,)*) => {
        /// The `kind` of every event, for code that reads public events as JSON.
        pub mod kinds {
            $(
                #[doc = concat!("The kind of [`", stringify!($name), "`](crate::", stringify!($name), ").")]
                pub const $constant: &str = $kind;
            )*
        }

        /// What happened, tagged with its `kind`: a stable name, part of the stored and of the public form.
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
            /// Every kind, in the order of the list.
            pub const KINDS: &'static [&'static str] = &[$(kinds::$constant,)*];

            pub fn kind(&self) -> &'static str {
                match self { $(Self::$name(_) => kinds::$constant,)* }
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
    SessionCreated = SESSION_CREATED = "session.created",
    RunStarted = RUN_STARTED = "run.started",
    SessionStatus = SESSION_STATUS = "session.status",
    StepStarted = STEP_STARTED = "step.started",
    StepFinished = STEP_FINISHED = "step.finished",
    StepFailed = STEP_FAILED = "step.failed",
    SandboxCreated = SANDBOX_CREATED = "sandbox.created",
    SandboxAttached = SANDBOX_ATTACHED = "sandbox.attached",
    SandboxLost = SANDBOX_LOST = "sandbox.lost",
    SandboxTerminating = SANDBOX_TERMINATING = "sandbox.terminating",
    SandboxTerminated = SANDBOX_TERMINATED = "sandbox.terminated",
    NetworkAllowed = NETWORK_ALLOWED = "network.allowed",
    NetworkRefused = NETWORK_REFUSED = "network.refused",
    CloneProgress = CLONE_PROGRESS = "clone.progress",
    SetupStarted = SETUP_STARTED = "setup.started",
    SetupFinished = SETUP_FINISHED = "setup.finished",
    RepositorySurveyed = REPOSITORY_SURVEYED = "repository.surveyed",
    InstructionsRead = INSTRUCTIONS_READ = "instructions.read",
    PlanCreated = PLAN_CREATED = "plan.created",
    PlanApproved = PLAN_APPROVED = "plan.approved",
    PlanRejected = PLAN_REJECTED = "plan.rejected",
    WaitStarted = WAIT_STARTED = "wait.started",
    WaitEnded = WAIT_ENDED = "wait.ended",
    BudgetReserved = BUDGET_RESERVED = "budget.reserved",
    BudgetSettled = BUDGET_SETTLED = "budget.settled",
    BudgetNearing = BUDGET_NEARING = "budget.nearing",
    BudgetExhausted = BUDGET_EXHAUSTED = "budget.exhausted",
    BudgetExtended = BUDGET_EXTENDED = "budget.extended",
    TurnStarted = TURN_STARTED = "turn.started",
    ModelReplied = MODEL_REPLIED = "model.replied",
    ModelRetrying = MODEL_RETRYING = "model.retrying",
    AiMessage = AI_MESSAGE = "ai.message",
    AiThinking = AI_THINKING = "ai.thinking",
    ToolCall = TOOL_CALL = "tool.call",
    ToolStarted = TOOL_STARTED = "tool.started",
    ToolResult = TOOL_RESULT = "tool.result",
    CheckStarted = CHECK_STARTED = "check.started",
    CheckFinished = CHECK_FINISHED = "check.finished",
    VerificationRecorded = VERIFICATION_RECORDED = "verification.recorded",
    TodoUpdated = TODO_UPDATED = "todo.updated",
    FileChanged = FILE_CHANGED = "file.changed",
    WorkspaceCheckpoint = WORKSPACE_CHECKPOINT = "workspace.checkpoint",
    WorkspaceCheckpointFailed = WORKSPACE_CHECKPOINT_FAILED = "workspace.checkpoint_failed",
    AgentStuck = AGENT_STUCK = "agent.stuck",
    ContextChanged = CONTEXT_CHANGED = "context.changed",
    DecisionRecorded = DECISION_RECORDED = "decision.recorded",
    UserMessage = USER_MESSAGE = "user.message",
    SessionCancelRequested = SESSION_CANCEL_REQUESTED = "session.cancel_requested",
    ChangesetCollected = CHANGESET_COLLECTED = "changeset.collected",
    GitOperation = GIT_OPERATION = "git.operation",
    PublishStarted = PUBLISH_STARTED = "publish.started",
    BranchPublished = BRANCH_PUBLISHED = "branch.published",
    PrOpened = PR_OPENED = "pr.opened",
    PrUpdated = PR_UPDATED = "pr.updated",
    UsageUpdated = USAGE_UPDATED = "usage.updated",
    ScoreRecorded = SCORE_RECORDED = "score.recorded",
    SessionError = SESSION_ERROR = "session.error",
    RunFailing = RUN_FAILING = "run.failing",
    RunFinished = RUN_FINISHED = "run.finished",
    SessionDeleted = SESSION_DELETED = "session.deleted",
}
