//! Ends a run: gives the sandbox back, writes the last event, closes the root span.

use std::sync::Arc;

use async_trait::async_trait;
use domain::ending::{ended_bodies, root_span};
use domain::ports::{Sandboxes, Workflows};
use domain::{
    ErrorCode, ExecutionName, RunStarted, SandboxTerminated, ScoreRecorded, ScoreSource, Status, Step, StepError,
    StepOutput, Terminal, Verdict, WorkflowState,
};

use super::StepHandler;
use crate::context::Context;

/// The step `finish`.
pub struct Finish {
    /// To give the sandbox back.
    pub sandboxes: Arc<dyn Sandboxes>,
    /// To start the next run, when something was said meanwhile.
    pub workflows: Arc<dyn Workflows>,
}

#[async_trait]
impl StepHandler for Finish {
    fn step(&self) -> Step {
        Step::Finish
    }

    async fn run(&self, context: &mut Context) -> Result<StepOutput, StepError> {
        let (verdict, failure) = outcome(context);
        let status = Status::ended_by(verdict).unwrap_or(Status::Failed);
        if let Some(sandbox) = context.journal.state().sandbox.clone() {
            self.sandboxes.terminate(&sandbox.id).await?;
            let reason = "the run is over".to_owned();
            context.journal.append(vec![SandboxTerminated { sandbox: sandbox.id, reason }.into()]).await?;
        }
        let mut bodies = vec![outcome_score(status, failure.as_ref()).into()];
        bodies.extend(ended_bodies(context.journal.state(), status, failure.as_ref()));
        context.journal.append(bodies).await?;
        let now = context.common.clock.now();
        if let Some(span) = root_span(context.journal.state(), context.input.run, now) {
            context.common.traces.emit(span);
        }
        if matches!(status, Status::Done | Status::Nothing) {
            self.go_on_with_messages(context).await?;
        }
        Ok(StepOutput::go(verdict))
    }
}

impl Finish {
    /// A message that arrived while the run was ending starts the next run.
    async fn go_on_with_messages(&self, context: &mut Context) -> Result<(), StepError> {
        context.journal.refresh().await?;
        let state = context.journal.state();
        let seen = state.main.last_reply().map(|reply| reply.up_to);
        if state.last_user_message <= seen || state.run().map(|run| run.number) != Some(context.input.run) {
            return Ok(());
        }
        let root_span_id = context.common.ids.span();
        let limits = context.session()?.request.limits;
        let mut journal = domain::Journal::open(
            Arc::clone(&context.common.log),
            Arc::clone(&context.common.clock),
            &context.input.session_id,
        )
        .await?;
        let run = journal.start_run(RunStarted { root_span_id, limits }, Vec::new()).await?;
        let execution = ExecutionName { session: context.input.session_id.clone(), run };
        Ok(self.workflows.start(&execution).await?)
    }
}

/// How the run ended: by the last verdict when that ends one, otherwise by the error that led here.
fn outcome(context: &Context) -> (Verdict, Option<Terminal>) {
    let WorkflowState { last, error } = context.input.state.clone().unwrap_or_default();
    if let Some(last) = last
        && last.verdict.ends()
        && last.verdict != Verdict::Failed
    {
        return (last.verdict, None);
    }
    let run = context.journal.state().run_number(context.input.run);
    if let Some((code, message)) = run.and_then(|run| run.failure.clone()) {
        return (Verdict::Failed, Some(Terminal { code, message }));
    }
    let failure = match error {
        Some(caught) => {
            let code = ErrorCode::ALL.iter().copied().find(|code| code.name() == caught.error);
            let cause: String = context.common.masker.mask(&caught.cause).chars().take(1000).collect();
            Terminal::new(code.unwrap_or(ErrorCode::Internal), format!("{}: {cause}", caught.error))
        }
        None => Terminal::new(ErrorCode::Internal, "the workflow came to its end without a verdict that ends a run"),
    };
    (Verdict::Failed, Some(failure))
}

fn outcome_score(status: Status, failure: Option<&Terminal>) -> ScoreRecorded {
    let value = if matches!(status, Status::Done | Status::Nothing) { 1.0 } else { 0.0 };
    ScoreRecorded {
        name: "session_outcome".to_owned(),
        value: Some(value),
        label: Some(status.name().to_owned()),
        source: ScoreSource::Code,
        explanation: failure.map_or_else(|| format!("the run ended as {status}"), |failure| failure.to_string()),
    }
}
