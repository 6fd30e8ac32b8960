//! The steps of the workflow and what they answer.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{RunNumber, SessionId};

/// One task state of the workflow. `infra/statemachine/session.asl.json` says which follows which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Sandbox, clone, checkpoint; finds out what is due.
    Prepare,
    /// Survey of the repository and a plan by the model.
    Plan,
    /// One reply of the model.
    GenerateTurn,
    /// The tool calls of one reply.
    ExecuteTool,
    /// Waits for a person.
    AwaitUser,
    /// Commit, branch, pull request.
    OpenPr,
    /// Ends the run.
    Finish,
}

impl Step {
    /// Every step, in the order in which a run first meets them.
    pub const ALL: [Self; 7] =
        [Self::Prepare, Self::Plan, Self::GenerateTurn, Self::ExecuteTool, Self::AwaitUser, Self::OpenPr, Self::Finish];

    /// The name of the step, which is also the name of its function.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Plan => "plan",
            Self::GenerateTurn => "generate-turn",
            Self::ExecuteTool => "execute-tool",
            Self::AwaitUser => "await-user",
            Self::OpenPr => "open-pr",
            Self::Finish => "finish",
        }
    }

    /// The name of its state in the state machine.
    pub fn state(self) -> &'static str {
        match self {
            Self::Prepare => "Prepare",
            Self::Plan => "Plan",
            Self::GenerateTurn => "GenerateTurn",
            Self::ExecuteTool => "ExecuteTool",
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

/// A step's answer in one word: what comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The sandbox has to be prepared (again).
    Prepare,
    /// A plan is due.
    Plan,
    /// A reply of the model is due.
    Turn,
    /// Tool calls are due.
    Tools,
    /// A person is asked.
    Await,
    /// Something outside is not ready; see [`StepOutput::wait_seconds`].
    Wait,
    /// The change is to be published.
    Publish,
    /// Ended: the change is published.
    Done,
    /// Ended: there was nothing to change.
    Nothing,
    /// Ended: the plan was rejected.
    Rejected,
    /// Ended: nobody answered in time.
    Expired,
    /// Ended: cancelled.
    Cancelled,
    /// Ended: failed.
    Failed,
}

impl Verdict {
    /// Whether the run ends with this verdict.
    pub fn ends(self) -> bool {
        match self {
            Self::Prepare | Self::Plan | Self::Turn | Self::Tools | Self::Await | Self::Wait | Self::Publish => false,
            Self::Done | Self::Nothing | Self::Rejected | Self::Expired | Self::Cancelled | Self::Failed => true,
        }
    }
}

/// What the workflow hands to a step: ids, and to `finish` how things stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepInput {
    /// The session.
    pub session_id: SessionId,
    /// The run.
    pub run: RunNumber,
    /// How often the workflow has tried this step again since it entered it.
    #[serde(default)]
    pub retry: u32,
    /// With what `await-user` is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_token: Option<TaskToken>,
    /// How things stood in the workflow (`finish` only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<WorkflowState>,
}

/// How things stood in the workflow when it came to `finish`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowState {
    /// The last verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<StepOutput>,
    /// The last error that was caught. It stays here when the run went on after it (a wait that was not answered), so an
    /// ending verdict counts more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<CaughtError>,
}

/// What a step answers to the workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepOutput {
    /// What comes next.
    pub verdict: Verdict,
    /// With `wait`: how long, 1 to 60 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_seconds: Option<u32>,
    /// With `wait`: what comes after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<Verdict>,
    /// With `await`: how long the user may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u32>,
}

/// How long one invocation of a step may take: the longest that AWS Lambda allows (its documentation, read November 2026).
pub const FUNCTION_TIMEOUT: Duration = Duration::from_secs(900);

/// How much longer the workflow waits for a task than its function may take: the function then answers or fails first, and a
/// time-out of the task means that the answer was lost.
pub const TASK_MARGIN: Duration = Duration::from_secs(60);

/// The longest `wait`, in seconds: a step looks at the log at least this often, so a cancel is never far away.
pub const MAX_WAIT_SECONDS: u32 = 60;

impl StepOutput {
    /// Goes on with `verdict`.
    pub fn go(verdict: Verdict) -> Self {
        Self { verdict, wait_seconds: None, then: None, timeout_seconds: None }
    }

    /// Waits `seconds` (cut to [`MAX_WAIT_SECONDS`]), then goes on with `then`.
    pub fn wait(seconds: u64, then: Verdict) -> Self {
        let seconds = u32::try_from(seconds).unwrap_or(MAX_WAIT_SECONDS).clamp(1, MAX_WAIT_SECONDS);
        Self { wait_seconds: Some(seconds), then: Some(then), ..Self::go(Verdict::Wait) }
    }

    /// Waits for a person, at most `seconds`.
    pub fn await_user(seconds: u32) -> Self {
        Self { timeout_seconds: Some(seconds.max(1)), ..Self::go(Verdict::Await) }
    }
}

/// An error as the state machine hands it on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaughtError {
    /// The type of the error: one of ours ([`StepError::error_type`](crate::StepError::error_type)) or one of the workflow's
    /// (`States.Timeout`).
    #[serde(rename = "Error", default)]
    pub error: String,
    /// More about it. The failure of a function is told in JSON, `{"errorType": …, "errorMessage": …}`; the workflow's own
    /// errors are told in a sentence.
    #[serde(rename = "Cause", default)]
    pub cause: String,
}

impl CaughtError {
    /// The sentence about the error, whichever form it came in.
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

/// The workflow's handle on a waiting task. Whoever holds it can answer, so it is never shown and never in an event.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskToken(pub String);

impl fmt::Debug for TaskToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TaskToken([REDACTED])")
    }
}
