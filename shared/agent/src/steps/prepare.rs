//! Makes a workspace and finds out what is due.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::effects::terminate_sandbox;
use domain::ports::{
    Blobs, ByteRange, CloneSource, ExecState, ExitStatus, Forge, Network, Repository, SandboxError, SandboxSpec,
    Sandboxes, Started, Stream,
};
use domain::state::{Base, SandboxStage, SessionState};
use domain::{
    Author, CloneProgress, CommitId, Conversation, ErrorCode, EventBody, GitAction, GitOperation, SandboxAttached,
    SandboxCreated, SandboxLost, Step, StepError, StepOutput, UserMessage, Verdict,
};

use crate::clone;
use crate::context::{Context, Watched, internal};
use crate::invocation::StepHandler;
use crate::verdicts;
use crate::workspace::Workspace;
use domain::Checkpoint;

/// How often the clone's progress is looked at.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// So many sandboxes in one session: beyond that something kills them as fast as they are made.
const MAX_SANDBOXES: u32 = 50;

/// The step `prepare`.
pub struct Prepare {
    /// Where the repository is.
    pub forge: Arc<dyn Forge>,
    /// Where the workspace goes.
    pub sandboxes: Arc<dyn Sandboxes>,
    /// Where checkpoints are.
    pub blobs: Arc<dyn Blobs>,
    /// What a sandbox's network reaches.
    pub network: Network,
}

#[async_trait]
impl StepHandler for Prepare {
    fn step(&self) -> Step {
        Step::Prepare
    }

    async fn run(&self, context: &mut Context) -> Result<StepOutput, StepError> {
        if let Some(ready) = self.find_workspace(context).await? {
            return Ok(StepOutput::new(ready));
        }
        let repository = match context.until_cancelled(self.preflight(context)).await {
            Watched::Done(Ok(repository)) => repository,
            Watched::Done(Err(error)) => return verdicts::forge_pause(error, Verdict::Prepare),
            Watched::Stopped => return verdicts::stopped(context).await,
        };
        let made = context.log.state().sandboxes;
        if made >= MAX_SANDBOXES {
            let message = format!("{made} sandboxes were lost in this session");
            return Err(StepError::terminal(ErrorCode::SandboxUnavailable, message));
        }
        let source = match self.forge.clone_source(&repository).await {
            Ok(source) => source,
            Err(error) => return verdicts::forge_pause(error, Verdict::Prepare),
        };
        let workspace = self.make_sandbox(context, &source).await?;
        match self.clone(context, &workspace, &repository, &source).await? {
            Cloned::Done => {}
            Cloned::CutOff => {
                self.terminate(context, "the clone was cut off").await?;
                return Ok(StepOutput::new(Verdict::Prepare));
            }
            Cloned::Stopped(answer) => return Ok(answer),
        }
        // In one batch: a workspace that is in use has its checkpoint measured against its own base.
        let mut bodies = self.restore(context, &workspace, &repository).await?;
        bodies.push(SandboxAttached { sandbox: workspace.id.clone() }.into());
        context.log.append(bodies).await?;
        Ok(StepOutput::new(due(context.log.state())))
    }
}

/// What the log says is due, once the workspace is ready.
fn due(state: &SessionState) -> Verdict {
    if state.main.open_calls().next().is_some() {
        return Verdict::Tools;
    }
    if state.run().is_some_and(|run| run.publishing.is_some()) {
        return Verdict::Publish;
    }
    if !state.has_approved_plan() {
        return Verdict::Plan;
    }
    verdicts::due_without_model(state).unwrap_or(Verdict::Turn)
}

enum Cloned {
    Done,
    CutOff,
    Stopped(StepOutput),
}

impl Prepare {
    /// Looks whether the session's sandbox is there and right; then nothing has to be made.
    async fn find_workspace(&self, context: &mut Context) -> Result<Option<Verdict>, StepError> {
        let state = context.log.state();
        let Some(sandbox) = state.sandbox.clone() else { return Ok(None) };
        let base = sandbox.base.and_then(|base| base.commit);
        let moved = state.rebase_onto.is_some() && state.rebase_onto != base;
        let unfit = match sandbox.stage {
            SandboxStage::Terminating { reason } => Some(reason),
            SandboxStage::Preparing | SandboxStage::Ready if moved => {
                Some("the base branch moved: the change goes on in a fresh one".to_owned())
            }
            // What is in it cannot be trusted to be whole.
            SandboxStage::Preparing => Some("its preparation was cut off".to_owned()),
            SandboxStage::Ready => None,
        };
        if let Some(reason) = unfit {
            self.terminate(context, &reason).await?;
            return Ok(None);
        }
        match self.sandboxes.attach(&sandbox.id).await {
            Ok(_) => Ok(Some(due(state))),
            Err(SandboxError::Lost(reason)) => {
                context.log.append(vec![SandboxLost { sandbox: sandbox.id, reason }.into()]).await?;
                Ok(None)
            }
            Err(error @ (SandboxError::Unavailable(_) | SandboxError::Impossible(_))) => Err(error.into()),
        }
    }

    async fn terminate(&self, context: &mut Context, reason: &str) -> Result<(), StepError> {
        Ok(terminate_sandbox(&mut context.log, self.sandboxes.as_ref(), reason).await?)
    }

    async fn preflight(&self, context: &Context) -> Result<Repository, domain::ports::ForgeError> {
        let request = context.session()?.request.clone();
        let state = context.log.state();
        // A follow-up goes on from our own branch, if that is still there.
        if let Some(own) = &state.branch
            && let Some(base) = &state.base
            && self.forge.branch_head(&base.repository, &own.branch).await?.is_some()
        {
            return self.forge.preflight(&request.repo_url, Some(&own.branch)).await;
        }
        self.forge.preflight(&request.repo_url, request.base_branch.as_deref()).await
    }

    async fn make_sandbox(&self, context: &mut Context, source: &CloneSource) -> Result<Workspace, StepError> {
        let state = context.log.state();
        let spec = SandboxSpec {
            session: context.input.session_id.clone(),
            run: context.input.run,
            generation: state.sandboxes + 1,
            source: match source {
                CloneSource::Directory(directory) => Some(directory.clone()),
                CloneSource::Address { .. } => None,
            },
            network: self.network,
        };
        let sandbox = context.spanned("sandbox create", self.sandboxes.create(&spec)).await?;
        let created = SandboxCreated {
            sandbox: sandbox.id.clone(),
            provider: self.sandboxes.provider().to_owned(),
            reduced: sandbox.reduced.clone(),
            network: spec.network.name().to_owned(),
            layout: sandbox.layout.clone(),
        };
        context.log.append(vec![created.into()]).await?;
        Ok(Workspace::new(Arc::clone(&self.sandboxes), sandbox.id, sandbox.layout))
    }

    /// Clones into the sandbox and takes down which commit that is.
    async fn clone(
        &self,
        context: &mut Context,
        workspace: &Workspace,
        repository: &Repository,
        source: &CloneSource,
    ) -> Result<Cloned, StepError> {
        let repo_url = context.session()?.request.repo_url.clone();
        let exec = clone::exec(&workspace.layout, repository, source, &repo_url).map_err(internal)?;
        let started = context.common.clock.now();
        let span = context.span("sandbox clone", domain::SpanKind::Client);
        if self.sandboxes.start(&workspace.id, &exec).await? == Started::CutOff {
            return Ok(Cloned::CutOff);
        }
        let mut told = String::new();
        let exit = loop {
            let waiting = self.sandboxes.wait(&workspace.id, &exec.id, PROGRESS_INTERVAL);
            let state = match context.until_cancelled(waiting).await {
                Watched::Done(state) => state?,
                Watched::Stopped => {
                    // Where a newer attempt has taken over, the command is its own by now.
                    let answer = verdicts::stopped(context).await?;
                    self.sandboxes.kill(&workspace.id, &exec.id).await?;
                    return Ok(Cloned::Stopped(answer));
                }
            };
            let last = self.sandboxes.output(&workspace.id, &exec.id, Stream::Stderr, ByteRange::Last(400)).await?;
            let progress = clone::progress(&last);
            let over = state != ExecState::Running;
            if !progress.is_empty() && progress != told && !over {
                told.clone_from(&progress);
                let message = context.common.redactor.redact(&progress).into_owned();
                context.log.append(vec![CloneProgress { message }.into()]).await?;
            }
            match state {
                ExecState::Running => {}
                ExecState::Finished(exit) => break exit,
                ExecState::CutOff => return Ok(Cloned::CutOff),
            }
        };
        let outcome = if exit.status == ExitStatus::Exited(0) {
            domain::SpanOutcome::Ok
        } else {
            domain::SpanOutcome::Error("git clone failed".to_owned())
        };
        context.end(span, outcome);
        if exit.status != ExitStatus::Exited(0) {
            let said = self.sandboxes.output(&workspace.id, &exec.id, Stream::Stderr, ByteRange::Last(2000)).await?;
            let said = String::from_utf8_lossy(&said);
            let said = context.common.redactor.redact(said.trim());
            return Err(StepError::terminal(ErrorCode::CloneFailed, format!("git could not clone {repo_url}: {said}")));
        }
        let baseline = workspace.baseline(context).await?;
        let seconds = domain::ports::elapsed(started, context.common.clock.now()).as_secs_f64();
        let commit = baseline.as_ref().map(CommitId::as_str).unwrap_or("an empty repository");
        let message = format!("Cloned {} at {commit} in {seconds:.1} s", repository.base_branch);
        let operated = GitOperation {
            operation: GitAction::Clone,
            repository: repository.name.clone(),
            branch: Some(repository.base_branch.clone()),
            commit: baseline,
            detail: None,
        };
        context.log.append(vec![CloneProgress { message }.into(), operated.into()]).await?;
        Ok(Cloned::Done)
    }

    /// Lays the checkpoint over the fresh checkout.
    async fn restore(
        &self,
        context: &Context,
        workspace: &Workspace,
        repository: &Repository,
    ) -> Result<Vec<EventBody>, StepError> {
        let Some(latest) = context.log.state().checkpoint.clone() else { return Ok(Vec::new()) };
        let checkpoint = Checkpoint::fetch(self.blobs.as_ref(), context.log.session_id(), &latest.blob.sha256).await?;
        let now = context.log.state().base.as_ref().and_then(|base| base.commit.clone());
        if checkpoint.content.base == now {
            workspace.restore(context, &checkpoint.content).await?;
            return Ok(Vec::new());
        }
        let changes = checkpoint.changeset()?;
        let paths: Vec<_> = changes.iter().map(|(path, _)| path.clone()).collect();
        let before = match &checkpoint.content.base {
            Some(base) => self.forge.contents(&repository.name, base, &paths).await.map_err(StepError::from)?,
            None => std::collections::BTreeMap::new(),
        };
        let conflicts = workspace.rebase(context, &checkpoint.content, &before).await?;
        let moved = checkpoint_moved(&context.log.state().base, &conflicts);
        let text =
            UserMessage { conversation: Conversation::Main, author: Author::Conflict, text: moved, answers: None };
        // The change is measured against the new base from here on.
        let mut bodies =
            crate::workspace::checkpoint(context, self.blobs.as_ref(), workspace, latest.turn, None).await?;
        if !conflicts.is_empty() {
            bodies.push(text.into());
        }
        Ok(bodies)
    }
}

/// What the model is told when the base branch moved under its change.
fn checkpoint_moved(base: &Option<Base>, conflicts: &[String]) -> String {
    let branch = base.as_ref().map(|base| base.branch.as_str()).unwrap_or_default();
    format!(
        "Branch {branch} moved while you worked, and changed what you changed. The workspace is now at its new head with \
         your change laid over it. These files hold conflict markers (<<<<<<<, |||||||, =======, >>>>>>>); resolve them so \
         that both intentions are kept, then run the checks again:\n{}",
        conflicts.iter().map(|path| format!("- {path}")).collect::<Vec<_>>().join("\n")
    )
}
