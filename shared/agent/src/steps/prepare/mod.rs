//! Prepares the workspace (sandbox, clone, checkpoint) and finds in the log what has to be done next.

mod clone;
mod restore;
mod set_up;
mod stop;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::effects::terminate_sandbox;
use domain::ports::{Blobs, CloneSource, Forge, ForgeError, Repository, Resources, SandboxSpec, Sandboxes};
use domain::state::{SandboxStage, SessionState};
use domain::{ErrorCode, SandboxAttached, SandboxCreated, SandboxLost, Step, StepError, StepOutput, Verdict};

use crate::context::{Context, Interruptible, internal};
use crate::invocation::StepHandler;
use crate::verdicts;
use crate::workspace::{Workspace, WorkspaceError};
use clone::CloneOutcome;
use stop::Stop;

/// Maximum sandboxes in one session. Beyond that, something destroys them as fast as they are created.
const MAX_SANDBOXES: u32 = 50;

/// Maximum sandboxes that are lost one after the other before anything is done in them: then the content of the repository destroys them.
const MAX_LOSSES_IN_A_ROW: u32 = 5;

/// Time kept free before the deadline after the clone: for one call of the toolbox, which may take two minutes, and its record.
/// With less than that left, the next invocation continues.
const RESERVE: Duration = Duration::from_secs(150);

/// The step `prepare`.
pub struct Prepare {
    pub forge: Arc<dyn Forge>,
    pub sandboxes: Arc<dyn Sandboxes>,
    pub blobs: Arc<dyn Blobs>,
}

#[async_trait]
impl StepHandler for Prepare {
    fn step(&self) -> Step {
        Step::Prepare
    }

    async fn run(&self, context: &mut Context) -> Result<StepOutput, StepError> {
        match self.prepare(context).await {
            Ok(output) => Ok(output),
            Err(Stop::Forge(stop)) => stop.answer(Verdict::Prepare),
            Err(Stop::Workspace(error @ (WorkspaceError::Toolbox(_) | WorkspaceError::Step(_)))) => Err(error.into()),
            Err(Stop::Workspace(WorkspaceError::SandboxLost(reason))) => {
                if let Some(sandbox) = context.log.state().sandbox.as_ref().map(|sandbox| sandbox.id.clone()) {
                    context.log.append(vec![SandboxLost { sandbox, reason }.into()]).await?;
                }
                Ok(StepOutput::new(Verdict::Prepare))
            }
        }
    }
}

/// The session's sandbox, as this step finds it.
enum Found {
    /// None, or none that can be used.
    Nothing,
    /// An earlier invocation was preparing its workspace.
    Preparing(Workspace),
    Ready,
}

/// The next thing to do according to the log, once the workspace is ready.
fn next_verdict(state: &SessionState) -> Verdict {
    if state.main.open_calls().next().is_some() {
        return Verdict::Tools;
    }
    if state.run().is_some_and(|run| run.publishing.is_some()) {
        return Verdict::Publish;
    }
    if !state.has_approved_plan() {
        return Verdict::Plan;
    }
    verdicts::next_without_model(state).unwrap_or(Verdict::Turn)
}

impl Prepare {
    /// Prepares the workspace, or as much of it as fits before the deadline. An earlier invocation may have done a part of it; the
    /// log says which, and a command that it started is joined.
    async fn prepare(&self, context: &mut Context) -> Result<StepOutput, Stop> {
        let found = self.find_sandbox(context).await?;
        if let Found::Ready = found {
            return Ok(StepOutput::new(next_verdict(context.log.state())));
        }
        let is_cloned = context.log.state().sandbox.as_ref().is_some_and(|sandbox| sandbox.base.is_some());
        let workspace = match found {
            Found::Preparing(workspace) if is_cloned => workspace,
            Found::Preparing(_) | Found::Nothing | Found::Ready => match self.create_and_clone(context, found).await? {
                ControlFlow::Continue(workspace) => workspace,
                ControlFlow::Break(answer) => return Ok(answer),
            },
        };
        if let ControlFlow::Break(answer) = self.set_up(context, &workspace).await? {
            return Ok(answer);
        }
        // In one batch, so that a sandbox counts as ready only together with a checkpoint that is measured against its base.
        let mut bodies = self.restore(context, &workspace).await?;
        bodies.push(SandboxAttached { sandbox: workspace.id.clone() }.into());
        let verdict = next_verdict(&context.log.state_after(&bodies)?);
        context.closing.extend(bodies);
        Ok(StepOutput::new(verdict))
    }

    /// Clones into the sandbox that was found, or into a new one. Breaks with the step's answer when the clone is not done.
    async fn create_and_clone(
        &self,
        context: &mut Context,
        found: Found,
    ) -> Result<ControlFlow<StepOutput, Workspace>, Stop> {
        let repository = match context.run_until_stopped(self.preflight(context)).await {
            Interruptible::Completed(repository) => repository?,
            Interruptible::Stopped => return Ok(ControlFlow::Break(verdicts::stopped(context).await?)),
        };
        let source = self.forge.clone_source(&repository).await?;
        let workspace = match found {
            Found::Preparing(workspace) => workspace,
            Found::Nothing | Found::Ready => self.create_sandbox(context, &source).await?,
        };
        let answer = match self.clone_repository(context, &workspace, &repository, &source).await? {
            CloneOutcome::Completed if context.time_left() > RESERVE => return Ok(ControlFlow::Continue(workspace)),
            CloneOutcome::Completed | CloneOutcome::Unfinished => StepOutput::new(Verdict::Prepare),
            CloneOutcome::CutOff => {
                self.terminate(context, "the clone was cut off").await?;
                StepOutput::new(Verdict::Prepare)
            }
            CloneOutcome::Stopped(answer) => answer,
        };
        Ok(ControlFlow::Break(answer))
    }

    /// Finds the session's sandbox. One that cannot be used is terminated or recorded as lost.
    async fn find_sandbox(&self, context: &mut Context) -> Result<Found, Stop> {
        let state = context.log.state();
        let Some(sandbox) = state.sandbox.clone() else { return Ok(Found::Nothing) };
        let base = sandbox.base.as_ref().and_then(|base| base.commit.clone());
        let is_cloned = sandbox.base.is_some();
        let moved = is_cloned && state.rebase_onto.is_some() && state.rebase_onto != base;
        let is_ready = match sandbox.stage {
            SandboxStage::Terminating { reason } => {
                self.terminate(context, &reason).await?;
                return Ok(Found::Nothing);
            }
            SandboxStage::Preparing | SandboxStage::Ready if moved => {
                let reason = "the base branch moved: the change continues in a new sandbox";
                self.terminate(context, reason).await?;
                return Ok(Found::Nothing);
            }
            SandboxStage::Preparing => false,
            SandboxStage::Ready => true,
        };
        match Workspace::connect(self.sandboxes.as_ref(), &sandbox).await {
            Ok(_) if is_ready => Ok(Found::Ready),
            Ok(workspace) => Ok(Found::Preparing(workspace)),
            Err(WorkspaceError::SandboxLost(reason)) => {
                context.log.append(vec![SandboxLost { sandbox: sandbox.id, reason }.into()]).await?;
                Ok(Found::Nothing)
            }
            Err(error @ (WorkspaceError::Toolbox(_) | WorkspaceError::Step(_))) => Err(error.into()),
        }
    }

    async fn terminate(&self, context: &mut Context, reason: &str) -> Result<(), StepError> {
        Ok(terminate_sandbox(&mut context.log, self.sandboxes.as_ref(), reason).await?)
    }

    /// Asks the forge whether the repository can be worked on, before anything is spent on it.
    async fn preflight(&self, context: &Context) -> Result<Repository, ForgeError> {
        let request = context.session()?.request.clone();
        let state = context.log.state();
        // A follow-up continues on the session's own branch, if the forge still has it.
        if let Some(own) = &state.branch
            && let Some(base) = &state.base
            && self.forge.branch_head(&base.repository, &own.branch).await?.is_some()
        {
            return self.forge.preflight(&request.repo_url, Some(&own.branch)).await;
        }
        self.forge.preflight(&request.repo_url, request.base_branch.as_deref()).await
    }

    async fn create_sandbox(&self, context: &mut Context, source: &CloneSource) -> Result<Workspace, WorkspaceError> {
        let state = context.log.state();
        if state.sandboxes >= MAX_SANDBOXES {
            let message = format!("{} sandboxes were lost in this session", state.sandboxes);
            return Err(StepError::terminal(ErrorCode::SandboxUnavailable, message).into());
        }
        if state.losses_in_a_row >= MAX_LOSSES_IN_A_ROW {
            let message =
                format!("{MAX_LOSSES_IN_A_ROW} sandboxes in a row were lost before anything was done in them");
            return Err(StepError::terminal(ErrorCode::SandboxUnavailable, message).into());
        }
        let session = context.session().map_err(StepError::from)?;
        let spec = SandboxSpec {
            session: context.input.session_id.clone(),
            owner: session.owner.clone(),
            run: context.input.run,
            // A second attempt asks for the same generation and gets the same sandbox.
            generation: state.sandboxes + 1,
            source: match source {
                CloneSource::Directory(directory) => Some(directory.clone()),
                CloneSource::Address { .. } => None,
            },
            network: session.request.network,
            lifetime: self.sandboxes.max_lifetime(),
            resources: Resources::default(),
            image: None,
        };
        let sandbox = context.in_span("sandbox create", self.sandboxes.create(&spec)).await?;
        let created = SandboxCreated {
            sandbox: sandbox.id.clone(),
            provider: self.sandboxes.provider().to_owned(),
            reduced: sandbox.reduced.clone(),
            network: spec.network.name().to_owned(),
            handle: sandbox.handle.clone(),
        };
        context.log.append(vec![created.into()]).await.map_err(StepError::from)?;
        let Some(sandbox) = context.log.state().sandbox.clone() else {
            return Err(internal("the sandbox that was just recorded is not in the state").into());
        };
        Workspace::connect(self.sandboxes.as_ref(), &sandbox).await
    }
}
