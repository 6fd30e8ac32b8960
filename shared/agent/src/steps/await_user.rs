//! Waits for a person: hands the workflow's token to whoever will answer.

use std::sync::Arc;

use async_trait::async_trait;
use domain::commands::after_wait;
use domain::ports::{Sandboxes, Workflows, elapsed};
use domain::{SandboxTerminated, Step, StepError, StepOutput, Verdict};

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
            let answer = StepOutput::go(after_wait(outcome, context.log.state()));
            self.workflows.complete(&token, &answer).await?;
            context.common.sessions.clear_token(&session, run).await?;
            return Ok(answer);
        }
        self.give_sandbox_back(context).await?;
        Ok(StepOutput::go(Verdict::Await))
    }
}

impl AwaitUser {
    async fn give_sandbox_back(&self, context: &mut Context) -> Result<(), StepError> {
        let state = context.log.state();
        let (Some(wait), Some(sandbox)) = (&state.wait, &state.sandbox) else { return Ok(()) };
        if elapsed(context.common.clock.now(), wait.deadline).as_secs() < LONG_WAIT_SECONDS {
            return Ok(());
        }
        let id = sandbox.id.clone();
        let reason = "given back for a long wait".to_owned();
        context.log.append(vec![SandboxTerminated { sandbox: id.clone(), reason }.into()]).await?;
        self.sandboxes.terminate(&id).await?;
        Ok(())
    }
}
