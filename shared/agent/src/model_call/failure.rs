//! What follows a call that brought no reply.

use std::time::Duration;

use domain::{
    BudgetSettled, CallKey, ErrorCode, MicroDollars, ModelError, ModelRequest, ModelRetrying, RetryCause, StepError,
};

use super::{CallOutcome, RESERVE};
use crate::context::Context;

/// The lowest limit on a reply, in tokens, that a retry after a missed deadline asks for.
const MIN_REPLY_TOKENS: u32 = 4096;

/// Maximum failed attempts in a row before the run ends with an error.
const MAX_FAILURES: u32 = 8;

/// Maximum attempts at one turn, pauses that the service asks for included. At a minute each, that is five hours.
const MAX_ATTEMPTS: u32 = 300;

/// Settles the call's cost, records why there is no reply, and decides when to retry.
///
/// # Errors
/// The model's own terminal error, or `ModelUnavailable` when a limit on attempts is reached.
pub(super) async fn after_failure(
    context: &mut Context,
    call: CallKey,
    request: &ModelRequest,
    error: ModelError,
) -> Result<CallOutcome, StepError> {
    let last_turn = context.log.state().conversation(call.conversation).last_turn.as_ref();
    let failures = last_turn.filter(|turn| turn.turn == call.turn).map_or(0, |turn| turn.failures);
    let redacted = |reason: &str| context.common.redactor.redact(reason).into_owned();
    let (reason, cost, in_seconds, next_max_tokens, cause) = match error {
        ModelError::Terminal(terminal) if terminal.code == ErrorCode::ContextExhausted => {
            settle(context, call, MicroDollars::default()).await?;
            return Ok(CallOutcome::TooLong(terminal));
        }
        ModelError::Terminal(terminal) => {
            settle(context, call, MicroDollars::default()).await?;
            return Err(terminal.into());
        }
        ModelError::Wait { seconds, reason } => {
            (redacted(&reason), MicroDollars::default(), seconds, None, RetryCause::Pause)
        }
        ModelError::Interrupted { reason, usage: _, cost } => {
            // When the deadline ended the call, a shorter reply fits the next invocation.
            let missed_deadline = context.time_left() <= RESERVE + Duration::from_secs(5);
            let shorter = missed_deadline.then(|| (request.max_tokens / 2).max(MIN_REPLY_TOKENS));
            // Retry twice at once, then back off exponentially up to 64 seconds.
            let pause = if failures < 2 { 0 } else { 1 << failures.min(6) };
            (redacted(&reason), cost, pause, shorter, RetryCause::Failure)
        }
    };
    let retrying = ModelRetrying { call, reason: reason.clone(), cause, in_seconds, next_max_tokens };
    context.log.append(vec![BudgetSettled { call, cost }.into(), retrying.into()]).await?;
    let gives_up = match cause {
        RetryCause::Failure => failures + 1 >= MAX_FAILURES,
        RetryCause::Pause => call.attempt.0 >= MAX_ATTEMPTS,
    };
    if gives_up {
        let message = format!("the model did not reply; the last attempt failed because: {reason}");
        return Err(StepError::terminal(ErrorCode::ModelUnavailable, message));
    }
    Ok(if in_seconds == 0 { CallOutcome::Again } else { CallOutcome::Wait(in_seconds) })
}

async fn settle(context: &mut Context, call: CallKey, cost: MicroDollars) -> Result<(), StepError> {
    Ok(context.log.append(vec![BudgetSettled { call, cost }.into()]).await?)
}
