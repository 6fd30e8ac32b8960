//! Waits for a person: hands the workflow's token to whoever will answer.

use std::sync::Arc;

use async_trait::async_trait;
use domain::commands::after_wait;
use domain::effects::terminate_sandbox;
use domain::ports::{Sandboxes, Workflows, elapsed};
use domain::{Step, StepError, StepOutput, Verdict};

use crate::context::Context;
use crate::invocation::StepHandler;

/// A wait longer than this gives the sandbox back; the checkpoint holds what was in it.
const LONG_WAIT_SECONDS: u64 = 300;

/// The step `await-user`.
pub struct AwaitUser {
    /// The engine, to answer it when the user was faster.
    pub workflows: Arc<dyn Workflows>,
    /// To give the sandbox back.
    pub sandboxes: Arc<dyn Sandboxes>,
}

#[async_trait]
impl StepHandler for AwaitUser {
    fn step(&self) -> Step {
        Step::AwaitUser
    }

    /// What it answers is not used by the engine, which waits for the token.
    async fn run(&self, context: &mut Context) -> Result<StepOutput, StepError> {
        let Some(token) = context.input.task_token.clone() else {
            return Err(crate::context::internal("await-user was invoked without a task token"));
        };
        let (session, run) = (context.input.session_id.clone(), context.input.run);
        context.common.sessions.put_token(&session, run, &token).await?;
        // The token is kept first and the log read after it: an answer that came before was not able to use the token,
        // an answer that comes later is.
        context.log.refresh().await?;
        let ended = context.log.state().run_number(run).and_then(|run| run.wait_outcome);
        if let Some(outcome) = ended {
            let answer = StepOutput::new(after_wait(outcome, context.log.state()));
            self.workflows.complete(&token, &answer).await?;
            context.common.sessions.clear_token(&session, run).await?;
            return Ok(answer);
        }
        if is_long(context) {
            terminate_sandbox(&mut context.log, self.sandboxes.as_ref(), "given back for a long wait").await?;
        }
        Ok(StepOutput::new(Verdict::Await))
    }
}

/// Whether the sandbox would be idle for long.
fn is_long(context: &Context) -> bool {
    let (now, wait) = (context.common.clock.now(), &context.log.state().wait);
    wait.as_ref().is_some_and(|wait| elapsed(now, wait.deadline).as_secs() >= LONG_WAIT_SECONDS)
}
