//! Runs a step: records its start and its end in the log, emits its span.

mod bounds;
mod start;

use std::time::Duration;

use async_trait::async_trait;
use domain::ports::elapsed;
use domain::span::attributes as key;
use domain::span::names;
use domain::{
    ErrorCode, EventBody, RunNumber, SessionLog, Span, SpanKind, SpanOutcome, Status, Step, StepError, StepFailed,
    StepFinished, StepInput, StepOutput, StepStart, Verdict, error_chain, summary_of,
};
use jiff::Timestamp;

use crate::context::{Common, Context};

/// A step of the workflow.
///
/// Contract: a step may run twice, and may be cut off anywhere and run again. So it first looks in the log for what it has
/// already done, and it appends the intent of every outside effect before the effect. That append fails when a newer
/// invocation has taken over, which keeps the older one from acting.
#[async_trait]
pub trait StepHandler: Send + Sync {
    fn step(&self) -> Step;

    /// Does the step's work, or as much of it as fits before the deadline.
    async fn run(&self, context: &mut Context) -> Result<StepOutput, StepError>;

    /// Called instead of [`StepHandler::run`] when the log holds the answer already. Repeats what follows the answer, since a
    /// crash may have come in between. Most steps have nothing that does.
    async fn repeat(&self, _common: &Common, _log: &mut SessionLog, _run: RunNumber) -> Result<(), StepError> {
        Ok(())
    }
}

/// Runs one invocation of a step, which must answer within `time_limit`. Every step except
/// `finish` that needs longer answers in time with a verdict that leads to another invocation.
pub async fn invoke(
    common: &Common,
    handler: &dyn StepHandler,
    input: StepInput,
    time_limit: Duration,
) -> Result<StepOutput, StepError> {
    let step = handler.step();
    let started = common.clock.now();
    let start =
        StepStart { step, span: common.ids.span(), invocation: input.invocation(), deadline: started + time_limit };
    let mut log = common.logs.open(&input.session_id).await?;
    if let Some(answer) = start::start_or_answer(common, &mut log, input.run, &start).await? {
        handler.repeat(common, &mut log, input.run).await?;
        common.logs.keep(log).await;
        return Ok(answer);
    }
    let mut context = Context::new(common.clone(), log, input, start.deadline);
    tracing::debug!(session_id = %context.log.session_id(), step = %step, "step started");
    let result = match bounds::reached(&mut context, step).await {
        Ok(None) => handler.run(&mut context).await,
        Ok(Some(answer)) => Ok(answer),
        Err(error) => Err(error),
    };
    let ended = common.clock.now();
    let result = close(&mut context, step, result, started, ended).await;
    if let Some(summary) = summary_of(context.log.state(), ended) {
        // A failure here leaves only lists of sessions out of date, until the next step updates the summary.
        if let Err(error) = common.sessions.update(&summary).await {
            tracing::warn!(session_id = %summary.id, error = error_chain(&error), "the session's summary was not updated");
        }
    }
    emit_span(&context, step, &result, started, ended);
    tracing::debug!(session_id = %context.log.session_id(), step = %step, outcome = ?result, "step ended");
    common.logs.keep(context.log).await;
    result
}

/// Appends the end of the step together with the events in [`Context::closing`].
async fn close(
    context: &mut Context,
    step: Step,
    result: Result<StepOutput, StepError>,
    started: Timestamp,
    ended: Timestamp,
) -> Result<StepOutput, StepError> {
    let attempt = context.log.attempt();
    match result {
        Ok(output) => {
            let mut bodies = std::mem::take(&mut context.closing);
            let is_over = context.log.state().run_number(context.input.run).is_some_and(|run| run.status.is_terminal());
            // Nothing may follow the last event of a run.
            if !is_over {
                let duration_ms = u64::try_from(elapsed(started, ended).as_millis()).unwrap_or(u64::MAX);
                let finished = StepFinished {
                    step,
                    attempt,
                    verdict: output.verdict,
                    wait_seconds: output.wait_seconds,
                    then: output.then,
                    duration_ms,
                };
                let status = match output.verdict {
                    Verdict::Wait => Some(Status::Waiting),
                    Verdict::Await => Some(Status::AwaitingUser),
                    Verdict::Prepare
                    | Verdict::Plan
                    | Verdict::Turn
                    | Verdict::Tools
                    | Verdict::Verify
                    | Verdict::Publish
                    | Verdict::Done
                    | Verdict::Nothing
                    | Verdict::Rejected
                    | Verdict::Expired
                    | Verdict::Cancelled
                    | Verdict::Failed => None,
                };
                let current = context.log.state().status();
                if let Some(status) = status.filter(|status| current.is_some_and(|now| now.may_become(*status))) {
                    bodies.push(domain::SessionStatus { status }.into());
                }
                bodies.push(EventBody::from(finished));
                if let Err(error) = context.log.append(bodies).await {
                    return Err(record_failure(context, step, error.into()).await);
                }
            }
            Ok(output)
        }
        Err(error) => Err(record_failure(context, step, error).await),
    }
}

/// Appends the failure of the step, and returns it.
async fn record_failure(context: &mut Context, step: Step, error: StepError) -> StepError {
    let (code, message) = match &error {
        StepError::Terminal(terminal) => (Some(terminal.code), terminal.message.clone()),
        StepError::Retryable(unavailable) => (None, error_chain(unavailable)),
    };
    let message = context.common.redactor.redact(&message).into_owned();
    if code != Some(ErrorCode::Stale) {
        let failed = StepFailed { step, attempt: context.log.attempt(), code, message };
        // The workflow is answered with the step's own error, whether or not it could be recorded.
        if let Err(unwritten) = context.log.append(vec![failed.into()]).await {
            tracing::warn!(error = error_chain(&unwritten), "a step's failure was not recorded");
        }
    }
    error
}

fn emit_span(context: &Context, step: Step, result: &Result<StepOutput, StepError>, start: Timestamp, end: Timestamp) {
    let state = context.log.state();
    let (Some(session), Some(run)) = (&state.session, state.run_number(context.input.run)) else { return };
    let mut attributes = domain::Attributes::from([
        (key::STEP, step.name().into()),
        (key::ATTEMPT, context.log.attempt().0.into()),
        (key::SESSION, session.id.as_str().into()),
        (key::CONVERSATION, session.id.as_str().into()),
        (key::OPENINFERENCE_KIND, "CHAIN".into()),
        (key::LANGSMITH_KIND, "chain".into()),
    ]);
    let outcome = match result {
        Ok(output) => {
            let verdict = serde_json::to_value(output.verdict).ok();
            let verdict = verdict.as_ref().and_then(|verdict| verdict.as_str()).unwrap_or_default();
            attributes.insert(key::VERDICT, verdict.into());
            SpanOutcome::Ok
        }
        Err(error) => {
            attributes.insert(key::ERROR_TYPE, error.error_type().into());
            SpanOutcome::Error(context.common.redactor.redact(&error_chain(error)).into_owned())
        }
    };
    context.common.traces.emit(Span {
        trace_id: session.trace.trace_id.clone(),
        span_id: context.log.span().clone(),
        parent: Some(run.root_span.clone()),
        name: names::step(step),
        kind: SpanKind::Internal,
        start,
        end,
        attributes,
        outcome,
    });
}
