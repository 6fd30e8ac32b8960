//! What follows a call that brought no reply.

use std::time::Duration;

use domain::{
    BudgetSettled, CallKey, Conversation, ErrorCode, MicroDollars, ModelError, ModelRequest, ModelRetrying, RetryCause,
    StepError, Terminal, WindowCount,
};

use super::{CallOutcome, MIN_REPLY_TOKENS, RESERVE, window_left};
use crate::context::Context;

/// Maximum failed attempts in a row before the run ends with an error.
const MAX_FAILURES: u32 = 8;

/// Maximum attempts at one turn whose reply a filter withholds. Another reply to the same request may pass, but each is paid for.
const MAX_FILTERED: u32 = 3;

/// Maximum attempts at one turn, pauses that the service asks for included. At a minute each, that is five hours.
const MAX_ATTEMPTS: u32 = 300;

/// What follows a failure, unless too many came before it.
enum Next {
    Retry { cause: RetryCause, in_seconds: u64, next_max_tokens: Option<u32>, window_tokens: Option<u64> },
    TooLong(Terminal),
    End(Terminal),
}

/// Settles the call's cost, records why there is no reply, and decides when to retry.
///
/// # Errors
/// The model's own terminal error, `ModelFiltered`, or `ModelUnavailable` when a limit on attempts is reached.
pub(super) async fn after_failure(
    context: &mut Context,
    call: CallKey,
    request: &ModelRequest,
    error: ModelError,
) -> Result<CallOutcome, StepError> {
    let (reason, cost) = reason_and_cost(context, &error);
    let settled = BudgetSettled { call, cost }.into();
    let next = next(context, call, request, error);
    let given_up = match &next {
        Next::Retry { cause, .. } => given_up(context, call, *cause, &reason),
        Next::TooLong(_) | Next::End(_) => None,
    };
    match given_up.map_or(next, Next::End) {
        Next::Retry { cause, in_seconds, next_max_tokens, window_tokens } => {
            let retrying = ModelRetrying { call, reason, cause, in_seconds, next_max_tokens, window_tokens };
            context.log.append(vec![settled, retrying.into()]).await?;
            Ok(if in_seconds == 0 { CallOutcome::Again } else { CallOutcome::Wait(in_seconds) })
        }
        Next::TooLong(terminal) => {
            context.log.append(vec![settled]).await?;
            Ok(CallOutcome::TooLong(terminal))
        }
        Next::End(terminal) => {
            context.log.append(vec![settled]).await?;
            Err(terminal.into())
        }
    }
}

fn reason_and_cost(context: &Context, error: &ModelError) -> (String, MicroDollars) {
    let (reason, cost) = match error {
        ModelError::Wait { reason, .. } | ModelError::WindowExceeded { reason, .. } => {
            (reason, MicroDollars::default())
        }
        ModelError::Interrupted { reason, cost, .. } | ModelError::Filtered { reason, cost, .. } => (reason, *cost),
        ModelError::Terminal { terminal, cost, .. } => (&terminal.message, *cost),
    };
    (context.common.redactor.redact(reason).into_owned(), cost)
}

fn next(context: &Context, call: CallKey, request: &ModelRequest, error: ModelError) -> Next {
    let retry =
        |cause, in_seconds, next_max_tokens| Next::Retry { cause, in_seconds, next_max_tokens, window_tokens: None };
    match error {
        ModelError::Wait { seconds, .. } => retry(RetryCause::Pause, seconds, None),
        ModelError::Interrupted { .. } => {
            // When the deadline ended the call, a shorter reply fits the next invocation.
            let missed_deadline = context.time_left() <= RESERVE + Duration::from_secs(5);
            let shorter = missed_deadline.then(|| (request.max_tokens / 2).max(MIN_REPLY_TOKENS));
            retry(RetryCause::Failure, pause(context, call), shorter)
        }
        ModelError::Filtered { .. } => retry(RetryCause::Filtered, pause(context, call), None),
        ModelError::WindowExceeded { counted, reason } => match shorter_reply(request.max_tokens, counted) {
            Some(fits) => Next::Retry {
                cause: RetryCause::Failure,
                in_seconds: 0,
                next_max_tokens: Some(fits),
                window_tokens: counted.map(|counted| counted.window_tokens),
            },
            None => Next::TooLong(Terminal::new(ErrorCode::ContextExhausted, reason)),
        },
        ModelError::Terminal { terminal, .. } if terminal.code == ErrorCode::ContextExhausted => {
            Next::TooLong(terminal)
        }
        ModelError::Terminal { terminal, .. } if may_replace_conversation(context, call, &terminal) => {
            retry(RetryCause::Refused, 0, None)
        }
        ModelError::Terminal { terminal, .. } => Next::End(terminal),
    }
}

/// The terminal error when another retry for this cause would be one too many.
fn given_up(context: &Context, call: CallKey, cause: RetryCause, reason: &str) -> Option<Terminal> {
    let (failures, filtered) = attempts(context, call);
    let unavailable = || {
        let message = format!("the model did not reply; the last attempt failed because: {reason}");
        Terminal::new(ErrorCode::ModelUnavailable, message)
    };
    match cause {
        RetryCause::Failure => (failures + 1 >= MAX_FAILURES).then(unavailable),
        RetryCause::Filtered => (filtered + 1 >= MAX_FILTERED || failures + 1 >= MAX_FAILURES).then(|| {
            let message =
                format!("the model's service withheld its reply at each of {} attempts: {reason}", filtered + 1);
            Terminal::new(ErrorCode::ModelFiltered, message)
        }),
        RetryCause::Pause => (call.attempt.0 >= MAX_ATTEMPTS).then(unavailable),
        RetryCause::Refused => None,
    }
}

/// The failures in a row at this turn, and how many of its replies were filtered.
fn attempts(context: &Context, call: CallKey) -> (u32, u32) {
    let last_turn = context.log.state().conversation(call.conversation).last_turn.as_ref();
    last_turn.filter(|turn| turn.turn == call.turn).map_or((0, 0), |turn| (turn.failures, turn.filtered))
}

/// Seconds before the next retry: twice at once, then exponentially up to 64 seconds.
fn pause(context: &Context, call: CallKey) -> u64 {
    let (failures, _) = attempts(context, call);
    if failures < 2 { 0 } else { 1 << failures.min(6) }
}

/// A lower limit on a reply that fits the model's window. None when the window has no room for a reply that is worth asking for.
fn shorter_reply(max_tokens: u32, counted: Option<WindowCount>) -> Option<u32> {
    let half = max_tokens / 2;
    let fits = counted.map_or(half, |counted| window_left(counted.window_tokens, counted.prompt_tokens));
    // A count that contradicts the refusal must not lead to the same request again.
    let fits = if fits < max_tokens { fits } else { half };
    (fits >= MIN_REPLY_TOKENS).then_some(fits)
}

/// Whether the work may go on in a new conversation: once in a run, and only if the refused one is more than its opening, which
/// the new one would repeat.
fn may_replace_conversation(context: &Context, call: CallKey, terminal: &Terminal) -> bool {
    let state = context.log.state();
    match call.conversation {
        Conversation::Plan => false,
        Conversation::Main => {
            terminal.code.refuses_conversation()
                && state.main.replies_since_compaction > 0
                && state.run().is_some_and(|run| !run.replaced_conversation)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_cut_to_what_fits_as_long_as_that_is_useful() {
        let counted = |prompt_tokens, window_tokens| Some(WindowCount { prompt_tokens, window_tokens });
        assert_eq!(shorter_reply(20_000, counted(190_000, 200_000)), Some(8976));
        assert_eq!(shorter_reply(20_000, counted(195_000, 200_000)), None);
        assert_eq!(shorter_reply(20_000, counted(250_000, 200_000)), None);
        assert_eq!(shorter_reply(20_000, counted(10, 200_000)), Some(10_000), "the count contradicts the refusal");
        assert_eq!(shorter_reply(20_000, None), Some(10_000));
        assert_eq!(shorter_reply(8000, None), None);
    }
}
