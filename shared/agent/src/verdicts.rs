//! Answers that several steps share.

use domain::commands::after_cancel;
use domain::state::SessionState;
use domain::{BudgetExhausted, LimitReached, StepError, StepOutput, Verdict, WaitReason, WaitStarted};

use crate::context::Context;

/// The next verdict, when the log alone decides it: open tool calls, or a reply that ended the work.
pub(crate) fn next_without_model(state: &SessionState) -> Option<Verdict> {
    if state.main.open_calls().next().is_some() {
        return Some(Verdict::Tools);
    }
    state.work_has_ended().then(|| after_work(state))
}

/// The verdict that follows when the model has ended its work: what differs from the base is verified before it is published.
pub(crate) fn after_work(state: &SessionState) -> Verdict {
    if state.checkpoint.is_some() && state.verification().is_none() { Verdict::Verify } else { Verdict::Publish }
}

/// The answer of a step that stops because its run is cancelled.
///
/// # Errors
/// `Stale` when the step stops because a newer invocation has taken over: what follows is that one's to do.
pub(crate) async fn stopped(context: &mut Context) -> Result<StepOutput, StepError> {
    context.log.refresh().await?;
    context.log.check_fence()?;
    Ok(StepOutput::new(after_cancel(context.log.state())))
}

/// Asks the user and sets a deadline for the answer. The question is appended in the same batch as the end of the step, so
/// that a question in the log is always followed by a wait.
pub(crate) fn ask_user(context: &mut Context, reason: WaitReason) -> StepOutput {
    let answer_timeout = context.common.answer_timeout;
    let deadline = context.common.clock.now() + answer_timeout;
    context.closing.push(WaitStarted { reason, deadline }.into());
    StepOutput::await_user(u32::try_from(answer_timeout.as_secs()).unwrap_or(u32::MAX))
}

/// Asks the user to extend the budget after a limit is reached.
pub(crate) async fn out_of_budget(context: &mut Context, reached: LimitReached) -> Result<StepOutput, StepError> {
    let LimitReached { limit, sentence } = reached;
    context.log.append(vec![BudgetExhausted { limit: sentence.clone(), which: Some(limit) }.into()]).await?;
    Ok(ask_user(context, WaitReason::Budget { limit: sentence, which: Some(limit) }))
}
