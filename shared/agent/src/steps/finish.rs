//! Ends a run: appends its last event, emits the root span, releases its slot, terminates its sandbox.

use std::sync::Arc;

use async_trait::async_trait;
use domain::commands::{Services, run_ended};
use domain::effects::terminate_leftovers;
use domain::ports::{LiveText, Sandboxes};
use domain::run_outcome::{final_events, root_span};
use domain::{
    ExecutionName, RunNumber, ScoreRecorded, ScoreSource, SessionLog, Status, Step, StepError, StepOutput, Terminal,
    Verdict, error_chain,
};

use crate::context::{Common, Context};
use crate::failure;
use crate::invocation::StepHandler;

/// The step `finish`.
pub struct Finish {
    pub sandboxes: Arc<dyn Sandboxes>,
    pub live: Arc<dyn LiveText>,
    /// Releases the run's slot, and starts the next run when a message has arrived.
    pub services: Services,
}

#[async_trait]
impl StepHandler for Finish {
    fn step(&self) -> Step {
        Step::Finish
    }

    async fn run(&self, context: &mut Context) -> Result<StepOutput, StepError> {
        let (verdict, failure) = outcome(context);
        let status = Status::ended_by(verdict).unwrap_or(Status::Failed);
        let mut bodies = vec![outcome_score(status, failure.as_ref()).into()];
        bodies.extend(final_events(context.log.state(), status, failure.as_ref()));
        context.log.append(bodies).await?;
        let (common, run) = (context.common.clone(), context.input.run);
        self.repeat(&common, &mut context.log, run).await?;
        Ok(StepOutput::new(verdict))
    }

    /// Emits the root span, removes the live text, releases the run's slot, starts the next run when the user sent a message that
    /// this run has not read, and terminates the sandbox: last, because its provider may be down or slow.
    ///
    /// After a crash between the last event and this, all of it is repeated. The span then has the same id, and readers keep
    /// the first.
    async fn repeat(&self, common: &Common, log: &mut SessionLog, run: RunNumber) -> Result<(), StepError> {
        if let Some(span) = root_span(log.state(), run, common.clock.now()) {
            common.traces.emit(span);
        }
        if let Err(error) = self.live.forget(log.session_id()).await {
            tracing::debug!(error = error_chain(&error), "live text was not removed");
        }
        let execution = ExecutionName { session: log.session_id().clone(), run };
        run_ended(&self.services, &execution).await?;
        log.refresh().await?;
        terminate_leftovers(log, self.sandboxes.as_ref()).await;
        Ok(())
    }
}

/// How the run ended: by the last verdict if it ends a run, otherwise by the error that the workflow caught.
fn outcome(context: &Context) -> (Verdict, Option<Terminal>) {
    if let Some(last) = context.input.state.clone().unwrap_or_default().last
        && last.verdict.is_terminal()
        && last.verdict != Verdict::Failed
    {
        return (last.verdict, None);
    }
    (Verdict::Failed, Some(failure::of_run(context)))
}

fn outcome_score(status: Status, failure: Option<&Terminal>) -> ScoreRecorded {
    let value = if status.is_success() { 1.0 } else { 0.0 };
    ScoreRecorded {
        name: "session_outcome".to_owned(),
        value: Some(value),
        label: Some(status.name().to_owned()),
        source: ScoreSource::Code,
        explanation: failure.map_or_else(|| format!("the run ended as {status}"), |failure| failure.to_string()),
    }
}
