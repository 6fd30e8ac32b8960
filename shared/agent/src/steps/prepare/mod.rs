//! Prepares the workspace (sandbox, clone, checkpoint) and finds in the log what has to be done next.

mod clone;
mod restore;

use std::sync::Arc;

use async_trait::async_trait;
use domain::effects::terminate_sandbox;
use domain::ports::{Blobs, CloneSource, Forge, ForgeError, Network, Repository, SandboxError, SandboxSpec, Sandboxes};
use domain::state::{SandboxStage, SessionState};
use domain::{ErrorCode, SandboxAttached, SandboxCreated, SandboxLost, Step, StepError, StepOutput, Verdict};

use crate::context::{Context, Interruptible};
use crate::invocation::StepHandler;
use crate::verdicts;
use crate::workspace::Workspace;
use clone::CloneOutcome;

/// Maximum sandboxes in one session. Beyond that, something destroys them as fast as they are created.
const MAX_SANDBOXES: u32 = 50;

/// The step `prepare`.
pub struct Prepare {
    pub forge: Arc<dyn Forge>,
    pub sandboxes: Arc<dyn Sandboxes>,
    pub blobs: Arc<dyn Blobs>,
    /// The network that a new sandbox gets.
    pub network: Network,
}

#[async_trait]
impl StepHandler for Prepare {
    fn step(&self) -> Step {
        Step::Prepare
    }

    async fn run(&self, context: &mut Context) -> Result<StepOutput, StepError> {
        if self.has_usable_sandbox(context).await? {
            return Ok(StepOutput::new(next_verdict(context.log.state())));
        }
        let repository = match context.run_until_stopped(self.preflight(context)).await {
            Interruptible::Completed(Ok(repository)) => repository,
            Interruptible::Completed(Err(error)) => return verdicts::forge_pause(error, Verdict::Prepare),
            Interruptible::Stopped => return verdicts::stopped(context).await,
        };
        let created = context.log.state().sandboxes;
        if created >= MAX_SANDBOXES {
            let message = format!("{created} sandboxes were lost in this session");
            return Err(StepError::terminal(ErrorCode::SandboxUnavailable, message));
        }
        let source = match self.forge.clone_source(&repository).await {
            Ok(source) => source,
            Err(error) => return verdicts::forge_pause(error, Verdict::Prepare),
        };
        let workspace = self.create_sandbox(context, &source).await?;
        match self.clone_repository(context, &workspace, &repository, &source).await? {
            CloneOutcome::Completed => {}
            CloneOutcome::CutOff => {
                self.terminate(context, "the clone was cut off").await?;
                return Ok(StepOutput::new(Verdict::Prepare));
            }
            CloneOutcome::Stopped(answer) => return Ok(answer),
        }
        // In one batch, so that a sandbox counts as ready only together with a checkpoint that is measured against its base.
        let mut bodies = self.restore(context, &workspace, &repository).await?;
        bodies.push(SandboxAttached { sandbox: workspace.id.clone() }.into());
        let verdict = next_verdict(&context.log.state_after(&bodies)?);
        context.closing.extend(bodies);
        Ok(StepOutput::new(verdict))
    }
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
    /// Whether the session has a sandbox that the steps can use. One that they cannot use is terminated or recorded as lost.
    async fn has_usable_sandbox(&self, context: &mut Context) -> Result<bool, StepError> {
        let state = context.log.state();
        let Some(sandbox) = state.sandbox.clone() else { return Ok(false) };
        let base = sandbox.base.and_then(|base| base.commit);
        let moved = state.rebase_onto.is_some() && state.rebase_onto != base;
        let unusable = match sandbox.stage {
            SandboxStage::Terminating { reason } => Some(reason),
            SandboxStage::Preparing | SandboxStage::Ready if moved => {
                Some("the base branch moved: the change continues in a new sandbox".to_owned())
            }
            // The checkout in it may be incomplete.
            SandboxStage::Preparing => Some("its preparation was cut off".to_owned()),
            SandboxStage::Ready => None,
        };
        if let Some(reason) = unusable {
            self.terminate(context, &reason).await?;
            return Ok(false);
        }
        match self.sandboxes.attach(&sandbox.id).await {
            Ok(_) => Ok(true),
            Err(SandboxError::Lost(reason)) => {
                context.log.append(vec![SandboxLost { sandbox: sandbox.id, reason }.into()]).await?;
                Ok(false)
            }
            Err(error @ (SandboxError::Unavailable(_) | SandboxError::Impossible(_))) => Err(error.into()),
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

    async fn create_sandbox(&self, context: &mut Context, source: &CloneSource) -> Result<Workspace, StepError> {
        let state = context.log.state();
        let spec = SandboxSpec {
            session: context.input.session_id.clone(),
            run: context.input.run,
            // A second attempt asks for the same generation and gets the same sandbox.
            generation: state.sandboxes + 1,
            source: match source {
                CloneSource::Directory(directory) => Some(directory.clone()),
                CloneSource::Address { .. } => None,
            },
            network: self.network,
        };
        let sandbox = context.in_span("sandbox create", self.sandboxes.create(&spec)).await?;
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
}
