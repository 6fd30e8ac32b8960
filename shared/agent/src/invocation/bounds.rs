//! No cycle of steps goes on for ever, whatever the model, a tool or an outside system does.
//!
//! A call to the model checks the budget. Every other way around the workflow is bounded here: by the number of invocations of
//! the run, by the answers in a row that led to nothing new, and by the active minutes where a step continues itself.

use domain::{
    BudgetExhausted, BudgetLimit, ErrorCode, MAX_ANSWERS_WITHOUT_PROGRESS, MAX_INVOCATIONS, Step, StepError,
    StepOutput, Verdict,
};

use crate::context::Context;
use crate::verdicts;

/// The answer of a step whose run has reached a bound. None for a step that may work.
///
/// # Errors
/// `BudgetExhausted` or `Internal` when the run has nothing that could be published.
pub(super) async fn reached(context: &mut Context, step: Step) -> Result<Option<StepOutput>, StepError> {
    let run = context.run()?;
    let is_work = match step {
        Step::Finish => return Ok(None),
        Step::Prepare | Step::Plan | Step::GenerateTurn | Step::ExecuteTool | Step::Verify => true,
        Step::AwaitUser | Step::OpenPr => false,
    };
    if run.step_count() > MAX_INVOCATIONS {
        let message =
            format!("the run has made {MAX_INVOCATIONS} steps; a message to the session continues in a new run");
        return Err(StepError::terminal(ErrorCode::BudgetExhausted, message));
    }
    if run.is_stalled() && is_work {
        return publish_stalled(context).map(Some);
    }
    if run.answers_without_progress > 2 * MAX_ANSWERS_WITHOUT_PROGRESS {
        let message = "the change could not be published: the steps that publish it led to nothing new";
        return Err(StepError::terminal(ErrorCode::Internal, message));
    }
    // A call to the model checks the budget itself, and what was done is published however long it takes.
    let continues_itself = run.last_step_finished == Some(step) && matches!(step, Step::Prepare | Step::ExecuteTool);
    match run.budget.minutes_used().filter(|_| continues_itself) {
        Some(reached) => verdicts::out_of_budget(context, reached).await.map(Some),
        None => Ok(None),
    }
}

/// Publishes what the run has.
///
/// # Errors
/// `Internal` when it has nothing: the steps are ours, so it is our defect that they lead nowhere.
fn publish_stalled(context: &mut Context) -> Result<StepOutput, StepError> {
    let limit = format!("{MAX_ANSWERS_WITHOUT_PROGRESS} steps in a row led to nothing new");
    if context.log.state().checkpoint.is_none() {
        return Err(StepError::terminal(ErrorCode::Internal, limit));
    }
    context.closing.push(BudgetExhausted { limit, which: Some(BudgetLimit::Steps) }.into());
    Ok(StepOutput::new(Verdict::Publish))
}
