//! Waits for the user: stores the workflow's task token for the command that will bring the answer.

use std::sync::Arc;

use async_trait::async_trait;
use domain::commands::after_wait;
use domain::effects::terminate_sandbox;
use domain::ports::{Sandboxes, Workflows, elapsed};
use domain::{RunNumber, SessionLog, SessionLogError, Step, StepError, StepOutput, Verdict};

use crate::context::{Common, Context};
use crate::invocation::StepHandler;

/// A wait of this length or more terminates the sandbox. The checkpoint holds the state of its workspace.
const LONG_WAIT_SECONDS: u64 = 300;

/// The step `await-user`.
pub struct AwaitUser {
    /// Completes this step's own task when the answer came before the token was stored.
    pub workflows: Arc<dyn Workflows>,
    pub sandboxes: Arc<dyn Sandboxes>,
}

#[async_trait]
impl StepHandler for AwaitUser {
    fn step(&self) -> Step {
        Step::AwaitUser
    }

    /// The answer of the user may have come before this step ended, and a crash between it and the completion of the task.
    async fn repeat(&self, common: &Common, log: &mut SessionLog, run: RunNumber) -> Result<(), StepError> {
        let session = log.session_id().clone();
        let state = log.state();
        let answered = state.run_number(run).filter(|run| run.finished.is_none()).and_then(|run| run.wait_outcome);
        if let (Some(outcome), Some(token)) = (answered, common.sessions.token(&session, run).await?) {
            self.workflows.complete(&token, &StepOutput::new(after_wait(outcome, state))).await?;
        }
        Ok(())
    }

    /// The workflow ignores the verdict that is returned here: it waits for the completion of the token.
    async fn run(&self, context: &mut Context) -> Result<StepOutput, StepError> {
        let Some(token) = context.input.task_token.clone() else {
            return Err(crate::context::internal("await-user was invoked without a task token"));
        };
        let (session, run) = (context.input.session_id.clone(), context.input.run);
        // The record keeps the token of the latest invocation: an older one must not replace it with one that nobody waits for.
        if !context.common.sessions.put_token(&session, run, context.log.step(), &token).await? {
            return Err(SessionLogError::Stale.into());
        }
        // The token is stored before the log is read. An answer that came earlier could not use the token and is found in
        // the log; one that comes later finds the token.
        context.log.refresh().await?;
        let answered = context.log.state().run_number(run).and_then(|run| run.wait_outcome);
        if let Some(outcome) = answered {
            let answer = StepOutput::new(after_wait(outcome, context.log.state()));
            self.workflows.complete(&token, &answer).await?;
            context.common.sessions.clear_token(&session, run, &token).await?;
            return Ok(answer);
        }
        if is_long_wait(context) {
            terminate_sandbox(&mut context.log, self.sandboxes.as_ref(), "terminated for a long wait").await?;
        }
        Ok(StepOutput::new(Verdict::Await))
    }
}

fn is_long_wait(context: &Context) -> bool {
    let (now, wait) = (context.common.clock.now(), &context.log.state().wait);
    wait.as_ref().is_some_and(|wait| elapsed(now, wait.deadline).as_secs() >= LONG_WAIT_SECONDS)
}
