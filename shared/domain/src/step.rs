//! The steps of the workflow, their input and their answers.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{EnteredTime, InvocationId, RunNumber, SessionId};

/// One task state of the workflow. `infra/statemachine/session.asl.json` says which follows which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Checks the repository, creates a sandbox, clones, restores the checkpoint; answers what the log says is due.
    Prepare,
    /// Surveys the repository and asks the model for a plan.
    Plan,
    /// Asks the model for one reply.
    GenerateTurn,
    /// Runs the tool calls of one reply.
    ExecuteTool,
    /// Runs the project's checks on what is to be published.
    Verify,
    /// Waits for a person.
    AwaitUser,
    /// Writes commit, branch and pull request.
    OpenPr,
    /// Ends the run, whatever happened to it.
    Finish,
}

impl Step {
    /// Every step, in the order in which a run first meets them.
    pub const ALL: [Self; 8] = [
        Self::Prepare,
        Self::Plan,
        Self::GenerateTurn,
        Self::ExecuteTool,
        Self::Verify,
        Self::AwaitUser,
        Self::OpenPr,
        Self::Finish,
    ];

    /// The name in JSON, and of the step's function.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Plan => "plan",
            Self::GenerateTurn => "generate-turn",
            Self::ExecuteTool => "execute-tool",
            Self::Verify => "verify",
            Self::AwaitUser => "await-user",
            Self::OpenPr => "open-pr",
            Self::Finish => "finish",
        }
    }

    /// The name of its task state in the state machine.
    pub fn state(self) -> &'static str {
        match self {
            Self::Prepare => "Prepare",
            Self::Plan => "Plan",
            Self::GenerateTurn => "GenerateTurn",
            Self::ExecuteTool => "ExecuteTool",
            Self::Verify => "Verify",
            Self::AwaitUser => "AwaitUser",
            Self::OpenPr => "OpenPr",
            Self::Finish => "Finish",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A step's answer in one word: what comes next, or how the run ends. The state machine routes on it and on nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// `prepare` is due, for the first time or because the sandbox is lost.
    Prepare,
    /// `plan` is due.
    Plan,
    /// `generate-turn` is due.
    Turn,
    /// `execute-tool` is due.
    Tools,
    /// `verify` is due.
    Verify,
    /// `await-user` is due.
    Await,
    /// An outside system asked for a pause; see [`StepOutput::wait_seconds`].
    Wait,
    /// `open-pr` is due.
    Publish,
    /// The run ends: the change is published.
    Done,
    /// The run ends: there was nothing to change.
    Nothing,
    /// The run ends: the plan was rejected.
    Rejected,
    /// The run ends: nobody answered before the deadline.
    Expired,
    /// The run ends: cancelled.
    Cancelled,
    /// The run ends: failed.
    Failed,
}

impl Verdict {
    /// Whether the run ends with this verdict.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Prepare
            | Self::Plan
            | Self::Turn
            | Self::Tools
            | Self::Verify
            | Self::Await
            | Self::Wait
            | Self::Publish => false,
            Self::Done | Self::Nothing | Self::Rejected | Self::Expired | Self::Cancelled | Self::Failed => true,
        }
    }
}

/// The input of a step: ids, and for `finish` the state of the workflow. Payloads are in the log and in `Blobs`: a workflow
/// service limits the size of what it carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepInput {
    pub session_id: SessionId,
    pub run: RunNumber,
    /// When the workflow entered the task's state; none from a caller that does not say. Then nothing tells a duplicate from a
    /// new invocation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entered: Option<EnteredTime>,
    /// How often the workflow has retried the task since it entered its state; 0 for the first try.
    #[serde(default)]
    pub retry: u32,
    /// For `await-user` only: the handle by which the waiting task is completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_token: Option<TaskToken>,
    /// For `open-pr` and `finish` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<WorkflowState>,
}

impl StepInput {
    /// The identity of the invocation; none when the input does not say when the state was entered.
    pub fn invocation(&self) -> Option<InvocationId> {
        Some(InvocationId { entered: self.entered.clone()?, retry: self.retry })
    }
}

/// The state of the workflow when it entered `finish`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowState {
    /// The answer of the step before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<StepOutput>,
    /// The last error that the workflow caught. It stays here when the run continued after it (a wait that timed out), so a
    /// terminal verdict in `last` takes precedence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<CaughtError>,
}

/// The answer of a step to the workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepOutput {
    pub verdict: Verdict,
    /// With `wait`: seconds, 1 to [`MAX_WAIT_SECONDS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_seconds: Option<u32>,
    /// With `wait`: the verdict that follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<Verdict>,
    /// With `await`: seconds until the wait expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u32>,
}

/// Time limit of one invocation of a step: the maximum that AWS Lambda allows (its documentation, read November 2026).
pub const FUNCTION_TIMEOUT: Duration = Duration::from_secs(900);

/// The task's time-out exceeds [`FUNCTION_TIMEOUT`] by this: so the function answers or fails first, and a time-out of the
/// task means that its answer was lost.
pub const TASK_MARGIN: Duration = Duration::from_secs(60);

/// Maximum of one `wait`, in seconds. A longer pause is waited in parts, with a step in between that reads the log, so that a
/// cancel takes effect within this time.
pub const MAX_WAIT_SECONDS: u32 = 60;

/// Invocations of steps after which a run publishes what it has, well below [`MAX_INVOCATIONS`].
pub const INVOCATIONS_BEFORE_PUBLISHING: u32 = 1500;

/// Answers of steps in a row that lead to nothing new, after which a run publishes what it has. A command that outlasts the
/// invocation of its step leads to one such answer per invocation.
pub const MAX_ANSWERS_WITHOUT_PROGRESS: u32 = 100;

/// Maximum invocations of steps in a run. Beyond it every step but `finish` fails.
///
/// Step Functions ends an execution at 25,000 events in its history (its documentation, read November 2026), and skips every
/// Catch. A step is 7 of them: 5 of its task, 2 of the choice after it. A pause makes that 11: 2 of the wait, 2 of the choice after
/// it. A retry is 3, and an invocation of its own. So 2,000 invocations are at most 22,000 events. The rest is for `finish` and for
/// attempts that fail before their `step.started`: the retriers of a state allow 96 of them, 3 events each.
pub const MAX_INVOCATIONS: u32 = 2000;

impl StepOutput {
    /// The answer that is `verdict` and nothing more.
    pub fn new(verdict: Verdict) -> Self {
        Self { verdict, wait_seconds: None, then: None, timeout_seconds: None }
    }

    /// Waits `seconds`, clamped to 1 to [`MAX_WAIT_SECONDS`], then continues with `then`.
    pub fn wait(seconds: u64, then: Verdict) -> Self {
        let seconds = u32::try_from(seconds).unwrap_or(MAX_WAIT_SECONDS).clamp(1, MAX_WAIT_SECONDS);
        Self { wait_seconds: Some(seconds), then: Some(then), ..Self::new(Verdict::Wait) }
    }

    /// Waits for a person, for at most `seconds`.
    pub fn await_user(seconds: u32) -> Self {
        Self { timeout_seconds: Some(seconds.max(1)), ..Self::new(Verdict::Await) }
    }
}

/// An error that the state machine caught, as it passes it to `finish`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaughtError {
    /// The type of the error: one of ours ([`StepError::error_type`](crate::StepError::error_type)) or one of the workflow
    /// service's (`States.Timeout`).
    #[serde(rename = "Error", default)]
    pub error: String,
    /// For the failure of a function JSON, `{"errorType": …, "errorMessage": …}`; for the workflow service's own errors a
    /// sentence.
    #[serde(rename = "Cause", default)]
    pub cause: String,
}

impl CaughtError {
    /// The sentence about the error, from either form of `cause`.
    pub fn message(&self) -> Cow<'_, str> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct FunctionFailure {
            error_message: String,
        }
        match serde_json::from_str::<FunctionFailure>(&self.cause) {
            Ok(failure) => Cow::Owned(failure.error_message),
            Err(_) => Cow::Borrowed(&self.cause),
        }
    }
}

/// The workflow's handle of a waiting task. Anybody who has it can complete the task, so it is never shown, is stored
/// encrypted, and is in no event.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskToken(pub String);

impl fmt::Debug for TaskToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TaskToken([REDACTED])")
    }
}
