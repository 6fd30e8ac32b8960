//! The workspace in its sandbox, as the steps use it.

mod operations;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::ports::{
    Blobs, ByteRange, Exec, ExecState, Exit, ExitStatus, Layout, Program, SandboxError, Sandboxes, Started, Stderr,
    Stream,
};
use domain::state::{SandboxStage, SessionState};
use domain::{
    Digest256, EventBody, ExecId, FileChangeKind, FileChanged, SandboxId, SandboxLost, StepError, StepOutput,
    TurnNumber, Verdict, WorkspaceCheckpoint,
};

use crate::context::{Context, internal};
use domain::{Checkpoint, CheckpointChange};

/// The longest that one of our own commands may take.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The most that an answer of the toolbox may have: a whole change, in base64.
const MAX_ANSWER_BYTES: u64 = 100 * 1024 * 1024;

/// The workspace of a session.
#[derive(Clone)]
pub(crate) struct Workspace {
    sandboxes: Arc<dyn Sandboxes>,
    pub id: SandboxId,
    pub layout: Layout,
}

/// Why something could not be done in the workspace.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkspaceError {
    /// The sandbox is gone: the step answers `prepare`, and a new one is made.
    #[error("the sandbox is gone: {0}")]
    SandboxLost(String),
    /// The step fails, for whatever reason.
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
    fn from(lost: WorkspaceError) -> Self {
        match lost {
            WorkspaceError::SandboxLost(reason) => SandboxError::Lost(reason).into(),
            WorkspaceError::Step(error) => error,
        }
    }
}

/// How a command in the sandbox ended.
pub(crate) enum ExecOutcome {
    Finished(Exit),
    CutOff,
    /// It goes on; there was no time to wait for its end.
    Running,
}

impl Workspace {
    pub(crate) fn new(sandboxes: Arc<dyn Sandboxes>, id: SandboxId, layout: Layout) -> Self {
        Self { sandboxes, id, layout }
    }

    /// The workspace that the log says is ready.
    pub(crate) fn of(state: &SessionState, sandboxes: &Arc<dyn Sandboxes>) -> Option<Self> {
        let sandbox = state.sandbox.as_ref().filter(|sandbox| sandbox.stage == SandboxStage::Ready)?;
        Some(Self::new(Arc::clone(sandboxes), sandbox.id.clone(), sandbox.layout.clone()))
    }

    /// Writes that the sandbox is gone and answers what comes next.
    pub(crate) async fn lost(&self, context: &mut Context, reason: String) -> Result<StepOutput, StepError> {
        // What was to be acknowledged may be gone with it.
        context.closing.clear();
        let lost = SandboxLost { sandbox: self.id.clone(), reason };
        context.log.append(vec![lost.into()]).await?;
        Ok(StepOutput::new(Verdict::Prepare))
    }

    /// Runs a command, or joins it, for at most `up_to`.
    pub(crate) async fn run(&self, exec: &Exec, up_to: Duration) -> Result<ExecOutcome, WorkspaceError> {
        match self.sandboxes.start(&self.id, exec).await? {
            Started::New | Started::Running => {}
            Started::Finished(exit) => return Ok(ExecOutcome::Finished(exit)),
            Started::CutOff => return Ok(ExecOutcome::CutOff),
        }
        Ok(match self.sandboxes.wait(&self.id, &exec.id, up_to).await? {
            ExecState::Running => ExecOutcome::Running,
            ExecState::Finished(exit) => ExecOutcome::Finished(exit),
            ExecState::CutOff => ExecOutcome::CutOff,
        })
    }

    pub(crate) async fn output(
        &self,
        exec: &ExecId,
        output: Stream,
        part: ByteRange,
    ) -> Result<Vec<u8>, WorkspaceError> {
        Ok(self.sandboxes.output(&self.id, exec, output, part).await?)
    }

    pub(crate) async fn kill(&self, exec: &ExecId) -> Result<(), WorkspaceError> {
        Ok(self.sandboxes.kill(&self.id, exec).await?)
    }

    /// A toolbox call as a command.
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

    /// Reads what a finished toolbox call answered: the answer, or what the toolbox says of its failure.
    pub(crate) async fn toolbox_answer(
        &self,
        exec: &ExecId,
        exit: &Exit,
    ) -> Result<Result<toolbox::Answer, toolbox::Failure>, WorkspaceError> {
        let length = usize::try_from(exit.stdout_bytes.min(MAX_ANSWER_BYTES)).unwrap_or(usize::MAX);
        let said = self.output(exec, Stream::Stdout, ByteRange::From(0, length)).await?;
        let how = match exit.status {
            ExitStatus::Exited(0) => return Ok(toolbox::Response::parse(&said)),
            ExitStatus::Exited(code) => format!("exit code {code}"),
            ExitStatus::Signalled(signal) => format!("signal {signal}"),
            ExitStatus::TimedOut => "it took too long".to_owned(),
            ExitStatus::Killed => "it was killed".to_owned(),
        };
        Err(WorkspaceError::Step(internal(format!("the toolbox gave no answer: {how}"))))
    }

    /// One toolbox call of ours, which may be repeated.
    async fn toolbox(
        &self,
        context: &Context,
        name: &str,
        call: toolbox::Call,
    ) -> Result<toolbox::Answer, WorkspaceError> {
        let id = format!("{name}-{}", context.common.ids.span()).parse().map_err(internal)?;
        let exec = self.toolbox_exec(id, call, TIMEOUT)?;
        let running = self.run(&exec, TIMEOUT + Duration::from_secs(5));
        let exit = match context.spanned(format!("sandbox {name}"), running).await? {
            ExecOutcome::Finished(exit) => exit,
            ExecOutcome::CutOff => return Err(WorkspaceError::SandboxLost(format!("{name} was cut off"))),
            ExecOutcome::Running => return Err(WorkspaceError::Step(internal(format!("{name} did not end in time")))),
        };
        let answer = self.toolbox_answer(&exec.id, &exit).await?;
        answer.map_err(|failure| WorkspaceError::Step(internal(format!("{name}: {}", failure.message))))
    }
}

/// Keeps the difference between workspace and base commit, when it is another than the last one. The events that say so are
/// still to be appended.
pub(crate) async fn checkpoint(
    context: &Context,
    blobs: &dyn Blobs,
    workspace: &Workspace,
    turn: TurnNumber,
    unless: Option<Digest256>,
) -> Result<Vec<EventBody>, WorkspaceError> {
    let Some(content) = workspace.collect(context, unless).await? else { return Ok(Vec::new()) };
    let session = context.log.session_id().clone();
    let before = match &context.log.state().checkpoint {
        Some(latest) => Checkpoint::fetch(blobs, &session, &latest.blob.sha256).await?.content.changes,
        None => Vec::new(),
    };
    let kept = Checkpoint::store(blobs, &session, content).await?;
    let mut bodies: Vec<EventBody> = changed(&before, &kept.content.changes).map(EventBody::from).collect();
    bodies.push(
        WorkspaceCheckpoint {
            turn,
            blob: kept.blob,
            digest: kept.content.digest.clone(),
            files: u32::try_from(kept.content.changes.len()).unwrap_or(u32::MAX),
        }
        .into(),
    );
    Ok(bodies)
}

/// The files in which two checkpoints differ.
fn changed<'a>(before: &'a [CheckpointChange], now: &'a [CheckpointChange]) -> impl Iterator<Item = FileChanged> + 'a {
    let old: BTreeMap<&str, &CheckpointChange> = before.iter().map(|change| (change.path.as_str(), change)).collect();
    let new: BTreeMap<&str, &CheckpointChange> = now.iter().map(|change| (change.path.as_str(), change)).collect();
    let restored: Vec<FileChanged> = old
        .keys()
        .filter(|path| !new.contains_key(*path))
        .map(|path| FileChanged { path: (*path).to_owned(), change: FileChangeKind::Restored, bytes: 0 })
        .collect();
    let other = now.iter().filter(move |change| old.get(change.path.as_str()) != Some(change)).map(|change| {
        let (kind, bytes) = match &change.file {
            Some(file) => (FileChangeKind::Written, (file.content_base64.len() / 4 * 3) as u64),
            None => (FileChangeKind::Deleted, 0),
        };
        FileChanged { path: change.path.clone(), change: kind, bytes }
    });
    restored.into_iter().chain(other)
}
