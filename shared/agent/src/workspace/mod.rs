//! The workspace in its sandbox, as the steps use it.

mod checkpoint;
mod collected;
mod operations;
mod toolbox_calls;

use std::fmt;
use std::future::Future;
use std::time::Duration;

use domain::ports::{ByteConnection, SandboxError, Sandboxes};
use domain::state::{SandboxStage, SandboxState, SessionState};
use domain::{Dependency, ErrorCode, ExecId, SandboxId, SandboxLost, StepError, StepOutput, Unavailable, Verdict};
use sandbox_protocol::{ByteRange, Client, ClientError, Exec, Exit, FailureKind, Layout, Progress, Started, Stream};

use crate::context::{Context, internal};
pub(crate) use checkpoint::checkpoint;
pub(crate) use toolbox_calls::RecordedCall;

/// The exec whose output is an archive of the home, made after the set-up of the repository. Commands can read stored outputs and
/// not change them.
pub(crate) const HOME_ARCHIVE: &str = "home-after-the-set-up";

/// Maximum of that archive, in bytes.
pub(crate) const MAX_HOME_BYTES: u64 = 8 << 30;

/// How much later than asked for an answer of the supervisor may come, before the connection counts as gone.
const MAX_DELAY: Duration = Duration::from_secs(30);

/// The checkout of a session's repository in a sandbox.
#[derive(Clone)]
pub(crate) struct Workspace {
    supervisor: Client<Box<dyn ByteConnection>>,
    pub id: SandboxId,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkspaceError {
    /// The step answers `prepare`, which creates a new sandbox.
    #[error("the sandbox is gone: {0}")]
    SandboxLost(String),
    /// The toolbox died, took too long, or gave an answer that cannot be used. The content of a repository can bring that about.
    #[error("the toolbox failed: {0}")]
    Toolbox(String),
    /// Ends the step with this error.
    #[error(transparent)]
    Step(#[from] StepError),
}

impl From<SandboxError> for WorkspaceError {
    fn from(error: SandboxError) -> Self {
        match error {
            SandboxError::Lost(reason) => Self::SandboxLost(reason),
            other @ (SandboxError::Unavailable(_) | SandboxError::Impossible(_)) => Self::Step(other.into()),
        }
    }
}

impl From<ClientError> for WorkspaceError {
    fn from(error: ClientError) -> Self {
        match error {
            // The program was updated while the sandbox lived.
            ClientError::Version { .. } => Self::SandboxLost(error.to_string()),
            // The next attempt of the step connects again, and finds out whether the sandbox is gone too.
            ClientError::Gone(_) | ClientError::Answer(_) => unavailable(error),
            ClientError::Failed(failure) => match failure.kind {
                FailureKind::NotStarted => unavailable(failure),
                FailureKind::Lacking => Self::Step(StepError::terminal(ErrorCode::SandboxUnavailable, failure.message)),
                FailureKind::WorkerDied | FailureKind::WorkerTimedOut => Self::Toolbox(failure.message),
                FailureKind::Invalid | FailureKind::Unknown => Self::Step(internal(failure)),
            },
        }
    }
}

impl From<WorkspaceError> for StepError {
    fn from(error: WorkspaceError) -> Self {
        match error {
            WorkspaceError::SandboxLost(reason) => SandboxError::Lost(reason).into(),
            WorkspaceError::Toolbox(reason) => internal(format!("the toolbox failed: {reason}")),
            WorkspaceError::Step(error) => error,
        }
    }
}

fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> WorkspaceError {
    WorkspaceError::Step(StepError::Retryable(Unavailable::new(Dependency::Sandboxes, error)))
}

/// The state of a command when the wait for it ended.
pub(crate) enum ExecOutcome {
    /// With the beginning of its output, as long as was asked for.
    Finished(Exit, Vec<u8>),
    CutOff,
    /// It has not ended within the time to wait, and continues to run.
    Running,
}

impl From<(Progress, Vec<u8>)> for ExecOutcome {
    fn from((progress, head): (Progress, Vec<u8>)) -> Self {
        match progress {
            Progress::Running => Self::Running,
            Progress::Finished(exit) => Self::Finished(exit, head),
            Progress::CutOff => Self::CutOff,
        }
    }
}

impl Workspace {
    /// Connects to the supervisor of a sandbox.
    ///
    /// # Errors
    /// `SandboxLost` when the sandbox is gone, or its supervisor is of another version.
    pub(crate) async fn connect(sandboxes: &dyn Sandboxes, sandbox: &SandboxState) -> Result<Self, WorkspaceError> {
        let connection = sandboxes.connect(&sandbox.id, &sandbox.handle).await?;
        let supervisor = answered_in(Duration::ZERO, Client::connect(connection)).await?;
        Ok(Self { supervisor, id: sandbox.id.clone() })
    }

    /// The sandbox of the session's workspace. None until `prepare` has recorded that it is ready.
    pub(crate) fn sandbox_of(state: &SessionState) -> Option<&SandboxState> {
        state.sandbox.as_ref().filter(|sandbox| sandbox.stage == SandboxStage::Ready)
    }

    /// Where things are in the sandbox.
    pub(crate) fn layout(&self) -> &Layout {
        self.supervisor.layout()
    }

    /// Starts or joins a command, and waits at most `wait` for its end.
    pub(crate) async fn run(
        &self,
        exec: Exec,
        input: &[u8],
        wait: Duration,
        head_bytes: u64,
    ) -> Result<ExecOutcome, WorkspaceError> {
        Ok(answered_in(wait, self.supervisor.run(exec, input, wait, head_bytes)).await?.into())
    }

    /// Starts a command unless it was started before.
    pub(crate) async fn start(&self, exec: Exec) -> Result<Started, WorkspaceError> {
        answered_in(Duration::ZERO, self.supervisor.start(exec, &[])).await
    }

    /// Waits for the end of a command that was started.
    pub(crate) async fn wait(&self, exec: &ExecId, wait: Duration) -> Result<ExecOutcome, WorkspaceError> {
        Ok(answered_in(wait, self.supervisor.wait(exec.as_str(), wait, 0)).await?.into())
    }

    pub(crate) async fn output(
        &self,
        exec: &ExecId,
        stream: Stream,
        range: ByteRange,
    ) -> Result<Vec<u8>, WorkspaceError> {
        answered_in(Duration::ZERO, self.supervisor.output(exec.as_str(), stream, range)).await
    }

    pub(crate) async fn kill(&self, exec: &ExecId) -> Result<(), WorkspaceError> {
        answered_in(Duration::ZERO, self.supervisor.kill(exec.as_str())).await
    }
}

/// Records in the log that a sandbox is lost. The step's answer sends the run to `prepare`.
pub(crate) async fn record_loss(
    context: &mut Context,
    sandbox: SandboxId,
    reason: String,
) -> Result<StepOutput, StepError> {
    // These events may report work that is lost with the sandbox.
    context.closing.clear();
    context.log.append(vec![SandboxLost { sandbox, reason }.into()]).await?;
    Ok(StepOutput::new(Verdict::Prepare))
}

/// Gives up when the answer does not come soon after the time that it may take. A sandbox can vanish without a word.
async fn answered_in<T>(
    time: Duration,
    answer: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, WorkspaceError> {
    match tokio::time::timeout(time + MAX_DELAY, answer).await {
        Ok(answer) => Ok(answer?),
        Err(elapsed) => Err(unavailable(elapsed)),
    }
}

impl fmt::Debug for Workspace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Workspace").field("id", &self.id).finish_non_exhaustive()
    }
}
