//! Answers that several steps give.

use domain::commands::after_cancel;
use domain::ports::ForgeError;
use domain::state::SessionState;
use domain::{BudgetExhausted, LimitReached, StepError, StepOutput, Verdict, WaitReason, WaitStarted};

use crate::context::Context;

/// What is due as far as it can be told without asking the model.
pub(crate) fn due_without_model(state: &SessionState) -> Option<Verdict> {
    if state.main.open_calls().next().is_some() {
        return Some(Verdict::Tools);
    }
    let last = state.main.reply_to_last_turn();
    let finished = last.is_some_and(|reply| reply.calls.is_empty() && reply.stop.ends_work());
    (finished && !state.main.has_unseen_messages()).then_some(Verdict::Publish)
}

/// The answer of a step that was told to stop: because its run is cancelled, or because a newer attempt has taken over. The
/// latter is an error, so nothing that follows is done twice.
pub(crate) async fn stopped(context: &mut Context) -> Result<StepOutput, StepError> {
    context.log.refresh().await?;
    context.log.check_fence()?;
    Ok(StepOutput::new(after_cancel(context.log.state())))
}

/// A pause that the forge asks for is a `wait`, not an error.
pub(crate) fn forge_pause(error: ForgeError, then: Verdict) -> Result<StepOutput, StepError> {
    match error {
        ForgeError::Wait { seconds } => Ok(StepOutput::wait(seconds, then)),
        error @ (ForgeError::BranchMoved { .. } | ForgeError::Unavailable(_) | ForgeError::Terminal(_)) => {
            Err(error.into())
        }
    }
}

/// Asks a person, with a deadline. The question stands in the log together with the step's end.
pub(crate) fn ask_user(context: &mut Context, reason: WaitReason) -> StepOutput {
    let answer_timeout = context.common.answer_timeout;
    let deadline = context.common.clock.now() + answer_timeout;
    context.closing.push(WaitStarted { reason, deadline }.into());
    StepOutput::await_user(u32::try_from(answer_timeout.as_secs()).unwrap_or(u32::MAX))
}

/// Asks a person to extend a budget whose limit is reached.
pub(crate) async fn out_of_budget(context: &mut Context, reached: LimitReached) -> Result<StepOutput, StepError> {
    let LimitReached { limit, sentence } = reached;
    context.log.append(vec![BudgetExhausted { limit: sentence.clone(), which: Some(limit) }.into()]).await?;
    Ok(ask_user(context, WaitReason::Budget { limit: sentence, which: Some(limit) }))
}
