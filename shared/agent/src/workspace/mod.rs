//! The workspace in its sandbox, as the steps use it.

mod checkpoint;
mod collected;
mod operations;

use std::sync::Arc;
use std::time::Duration;

use domain::ports::{
    ByteRange, Exec, ExecState, Exit, ExitStatus, Layout, Program, SandboxError, Sandboxes, Started, Stderr, Stream,
};
use domain::state::{SandboxStage, SessionState};
use domain::{ExecId, SandboxId, SandboxLost, StepError, StepOutput, Verdict};

use toolbox::ErrorKind;

use crate::context::{Context, internal};
pub(crate) use checkpoint::checkpoint;

/// Time limit of a command that this program runs for itself, not for the model.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Maximum size of the toolbox's answer to one call. The largest is a whole change in base64.
const MAX_ANSWER_BYTES: u64 = 100 * 1024 * 1024;

/// The checkout of a session's repository in a sandbox.
#[derive(Clone)]
pub(crate) struct Workspace {
    sandboxes: Arc<dyn Sandboxes>,
    pub id: SandboxId,
    pub layout: Layout,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkspaceError {
    /// The step answers `prepare`, which creates a new sandbox.
    #[error("the sandbox is gone: {0}")]
    SandboxLost(String),
    /// The toolbox died, took too long, or gave an answer that cannot be used. A command in the sandbox can bring that about.
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

impl From<WorkspaceError> for StepError {
    fn from(error: WorkspaceError) -> Self {
        match error {
            WorkspaceError::SandboxLost(reason) => SandboxError::Lost(reason).into(),
            WorkspaceError::Toolbox(reason) => internal(format!("the toolbox failed: {reason}")),
            WorkspaceError::Step(error) => error,
        }
    }
}

/// The state of a command when the wait for it ended.
pub(crate) enum ExecOutcome {
    Finished(Exit),
    CutOff,
    /// It has not ended within the time to wait, and continues to run.
    Running,
}

impl Workspace {
    pub(crate) fn new(sandboxes: Arc<dyn Sandboxes>, id: SandboxId, layout: Layout) -> Self {
        Self { sandboxes, id, layout }
    }

    /// The session's workspace. None until `prepare` has recorded that its sandbox is ready.
    pub(crate) fn of(state: &SessionState, sandboxes: &Arc<dyn Sandboxes>) -> Option<Self> {
        let sandbox = state.sandbox.as_ref().filter(|sandbox| sandbox.stage == SandboxStage::Ready)?;
        Some(Self::new(Arc::clone(sandboxes), sandbox.id.clone(), sandbox.layout.clone()))
    }

    /// Records that the sandbox is lost, and answers `prepare`.
    pub(crate) async fn record_loss(&self, context: &mut Context, reason: String) -> Result<StepOutput, StepError> {
        // These events may report work that is lost with the sandbox.
        context.closing.clear();
        let lost = SandboxLost { sandbox: self.id.clone(), reason };
        context.log.append(vec![lost.into()]).await?;
        Ok(StepOutput::new(Verdict::Prepare))
    }

    /// Starts or joins a command, and waits at most `wait` for its end.
    pub(crate) async fn run(&self, exec: &Exec, wait: Duration) -> Result<ExecOutcome, WorkspaceError> {
        match self.sandboxes.start(&self.id, exec).await? {
            Started::New | Started::Running => {}
            Started::Finished(exit) => return Ok(ExecOutcome::Finished(exit)),
            Started::CutOff => return Ok(ExecOutcome::CutOff),
        }
        Ok(match self.sandboxes.wait(&self.id, &exec.id, wait).await? {
            ExecState::Running => ExecOutcome::Running,
            ExecState::Finished(exit) => ExecOutcome::Finished(exit),
            ExecState::CutOff => ExecOutcome::CutOff,
        })
    }

    pub(crate) async fn output(
        &self,
        exec: &ExecId,
        stream: Stream,
        range: ByteRange,
    ) -> Result<Vec<u8>, WorkspaceError> {
        Ok(self.sandboxes.output(&self.id, exec, stream, range).await?)
    }

    pub(crate) async fn kill(&self, exec: &ExecId) -> Result<(), WorkspaceError> {
        Ok(self.sandboxes.kill(&self.id, exec).await?)
    }

    /// The command that carries out a toolbox call.
    pub(crate) fn toolbox_exec(&self, id: ExecId, call: toolbox::Call, timeout: Duration) -> Result<Exec, StepError> {
        let request = toolbox::Request::new(&self.layout.workspace, &self.layout.state, call);
        let request = request.with_outputs(&self.layout.outputs);
        Ok(Exec {
            id,
            program: Program::Toolbox,
            stdin: serde_json::to_vec(&request).map_err(internal)?,
            environment: Vec::new(),
            secrets: Vec::new(),
            directory: self.layout.workspace.clone(),
            timeout,
            stderr: Stderr::Separate,
            kept_bytes: MAX_ANSWER_BYTES,
        })
    }

    /// Reads the answer of a toolbox call that has ended. The inner error is the toolbox's own: the call failed.
    ///
    /// # Errors
    /// When the toolbox itself did not end normally, so that there is no answer. `SandboxLost` when it speaks another version of
    /// the protocol.
    pub(crate) async fn toolbox_answer(
        &self,
        exec: &ExecId,
        exit: &Exit,
    ) -> Result<Result<toolbox::Answer, toolbox::Failure>, WorkspaceError> {
        let length = usize::try_from(exit.stdout_bytes.min(MAX_ANSWER_BYTES)).unwrap_or(usize::MAX);
        let output = self.output(exec, Stream::Stdout, ByteRange::From(0, length)).await?;
        let ending = match exit.status {
            ExitStatus::Exited(0) => {
                return match toolbox::Response::parse(&output) {
                    // The program was updated while the sandbox lived. No call of the model has anything to do with it.
                    Err(failure) if failure.kind == toolbox::ErrorKind::Version => {
                        Err(WorkspaceError::SandboxLost("its toolbox is of another version".to_owned()))
                    }
                    answer => Ok(answer),
                };
            }
            ExitStatus::Exited(code) => format!("exit code {code}"),
            ExitStatus::Signalled(signal) => format!("signal {signal}"),
            ExitStatus::TimedOut => "it exceeded its time limit".to_owned(),
            ExitStatus::Killed => "it was killed".to_owned(),
        };
        Err(WorkspaceError::Toolbox(format!("no answer: {ending}")))
    }

    /// Carries out a toolbox call for a step. A repeated step repeats the call: its exec id is new each time.
    async fn toolbox(
        &self,
        context: &Context,
        name: &str,
        call: toolbox::Call,
    ) -> Result<toolbox::Answer, WorkspaceError> {
        let id = format!("{name}-{}", context.common.ids.span());
        self.toolbox_as(context, name, &id, call).await
    }

    /// Carries out a toolbox call at most once per `id`: a repeated step joins it, or reads its answer.
    async fn toolbox_as(
        &self,
        context: &Context,
        name: &str,
        id: &str,
        call: toolbox::Call,
    ) -> Result<toolbox::Answer, WorkspaceError> {
        let id = id.parse().map_err(internal)?;
        let exec = self.toolbox_exec(id, call, TIMEOUT)?;
        let running = self.run(&exec, TIMEOUT + Duration::from_secs(5));
        let exit = match context.in_span(format!("sandbox {name}"), running).await? {
            ExecOutcome::Finished(exit) => exit,
            ExecOutcome::CutOff => return Err(WorkspaceError::SandboxLost(format!("{name} was cut off"))),
            ExecOutcome::Running => return Err(WorkspaceError::Toolbox(format!("{name} exceeded its time limit"))),
        };
        let answer = self.toolbox_answer(&exec.id, &exit).await?;
        answer.map_err(|failure| match failure.kind {
            // The sandbox was made by another version of this program, or a command destroyed the toolbox's records. A new
            // sandbox has neither problem.
            ErrorKind::Version | ErrorKind::NoBase => {
                WorkspaceError::SandboxLost(format!("{name}: {}", failure.message))
            }
            ErrorKind::Protocol
            | ErrorKind::Path
            | ErrorKind::Missing
            | ErrorKind::WrongType
            | ErrorKind::Unseen
            | ErrorKind::NoMatch
            | ErrorKind::Ambiguous
            | ErrorKind::Range
            | ErrorKind::TooLarge
            | ErrorKind::Invalid
            | ErrorKind::Git
            | ErrorKind::Io => WorkspaceError::Toolbox(format!("{name}: {}", failure.message)),
        })
    }
}
