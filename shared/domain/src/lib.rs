#![doc = include_str!("../README.md")]

pub mod admission;
pub mod commands;
pub mod effects;
pub mod ports;
pub mod run_outcome;
pub mod span;
pub mod state;
pub mod text;
pub mod transcript;

pub use account::{AccessToken, Account, Role, TokenRecord};
pub use budget::{Budget, LimitReached};
pub use call_ids::call_ids;
pub use changeset::{Changeset, ChangesetLimits, FileChange, FileMode, ForbiddenPath, WorkspacePath};
pub use checkpoint::{Checkpoint, CheckpointChange, CheckpointContent, CheckpointFile, FileContent};
pub use command_key::{CommandKey, CommandKeys, KnownKey};
pub use error::{Dependency, ErrorCode, StepError, Terminal, ToolFailure, Unavailable, error_chain};
pub use event::{
    AgentStuck, AiMessage, AiThinking, Approver, Author, BranchPublished, BudgetExhausted, BudgetExtended, BudgetLimit,
    BudgetNearing, BudgetReserved, BudgetSettled, CallKey, ChangesetCollected, CheckFinished, CheckStarted,
    CloneProgress, ContextChanged, Conversation, DecisionRecorded, Event, EventBody, FileChangeKind, FileChanged,
    FixedChecks, GitAction, GitOperation, InstructionsRead, Keep, ModelReplied, ModelRetrying, NetworkAllowed,
    NetworkRefused, PlanApproved, PlanCreated, PlanRejected, PrOpened, PrUpdated, PublishStarted, RepositorySurveyed,
    RetryCause, RunFailing, RunFinished, RunStarted, SandboxAttached, SandboxCreated, SandboxLost, SandboxTerminated,
    SandboxTerminating, ScoreRecorded, ScoreSource, SessionCancelRequested, SessionCreated, SessionDeleted,
    SessionError, SessionStatus, SetupFinished, SetupOutcome, SetupStarted, StepFailed, StepFinished, StepStarted,
    TodoUpdated, ToolCall, ToolKind, ToolOutcome, ToolResult, ToolStarted, Totals, TurnStarted, UsageUpdated,
    UserMessage, VerificationRecorded, WaitEnded, WaitOutcome, WaitReason, WaitStarted, WorkspaceCheckpoint,
    WorkspaceCheckpointFailed, Writer, kinds,
};
pub use ids::{
    Attempt, CallId, CommitId, ExecId, ExecutionName, IdempotencyKey, InvalidId, PlanId, Principal, RunNumber,
    SandboxId, Seq, SessionId, SpanId, TokenId, TraceId, TurnNumber,
};
pub use invisible::name_invisible;
pub use invocation::{EnteredTime, InvalidEnteredTime, InvocationId};
pub use json::RawJson;
pub use line_diff::{Incomparable, LineCounts, LineDiff};
pub use money::{InvalidAmount, MicroDollars};
pub use network::{Network, UnknownNetwork};
pub use outside_key::{InvalidOutsideKey, OutsideKey};
pub use payload::{BlobRef, Digest256, INLINE_LIMIT, InvalidDigest, Payload};
pub use plan::{Confidence, Decision, Plan, ProjectType, Survey, Todo, TodoStatus};
pub use ports::{
    CacheLifetime, CacheMiss, CallOptions, Effort, KeyBinding, Model, ModelError, ModelLimits, ModelReply,
    ModelRequest, ReplyDetails, ReplyPiece, StopDetails, WindowCount, read_all,
};
pub use public_event::public_event;
pub use quota::{InvalidPattern, Quota, RepositoryPattern};
pub use redaction::{REDACTED, Redactor};
pub use reply::{ContentBlock, INCOMPLETE_INPUT, StopReason, Usage};
pub use request::{
    Delivery, InvalidRequest, Limits, MAX_PROMPT_BYTES, PlanApproval, Request, UncheckedLimits, UncheckedRequest,
    is_branch_name,
};
pub use session::{DEFAULT_CONTEXT_TOKENS, Session, Setup};
pub use session_log::{MessagesError, SNAPSHOT_VERSION, SessionLog, SessionLogError, SessionLogs, StepStart};
pub use span::{AttributeValue, Attributes, Span, SpanContext, SpanKind, SpanOutcome, TraceContext};
pub use status::Status;
pub use step::{
    CaughtError, FUNCTION_TIMEOUT, INVOCATIONS_BEFORE_PUBLISHING, MAX_ANSWERS_WITHOUT_PROGRESS, MAX_INVOCATIONS,
    MAX_WAIT_SECONDS, Step, StepInput, StepOutput, TASK_MARGIN, TaskToken, Verdict, WorkflowState,
};
pub use summary::summary_of;
pub use verification::{CheckOutcome, CheckResult, CheckSubject, Verification};

mod account;
mod budget;
mod call_ids;
mod changeset;
mod checkpoint;
mod command_key;
mod error;
mod event;
mod ids;
mod invisible;
mod invocation;
mod json;
mod line_diff;
mod money;
mod network;
mod outside_key;
mod payload;
mod plan;
mod public_event;
mod quota;
mod redaction;
mod reply;
mod request;
mod session;
mod session_log;
mod status;
mod step;
mod summary;
mod verification;
