//! Starts a step, unless the log holds its answer or another invocation is at work.

use std::time::Duration;

use domain::commands::after_cancel;
use domain::ports::elapsed;
use domain::state::{Delivery, EntryEnd, SessionState};
use domain::{
    Dependency, ErrorCode, Keep, RunNumber, SessionLog, Step, StepError, StepOutput, StepStart, Unavailable, Verdict,
    WaitOutcome,
};
use jiff::Timestamp;

use crate::context::{Common, Overlap};

/// Time kept free before the deadline of an invocation that waits for another one, so that it answers before it is cut off.
const RESERVE: Duration = Duration::from_secs(5);

/// Maximum of one wait for the log to grow.
const WAIT_SLICE: Duration = Duration::from_secs(10);

/// Makes `log` the log of this invocation, or returns the answer of an invocation that has nothing to do.
///
/// A workflow service delivers at least once, and possibly late. The log decides what an invocation is; see [`Delivery`].
///
/// # Errors
/// `Stale` when a later invocation has started; nothing was written then. `Unavailable` when an equal one is still at work when
/// the time of this one is over. The error of an equal one that has failed.
pub(super) async fn start_or_answer(
    common: &Common,
    log: &mut SessionLog,
    run: RunNumber,
    start: &StepStart,
) -> Result<Option<StepOutput>, StepError> {
    loop {
        let now = common.clock.now();
        if let Some(verdict) = end_of_run(log.state(), run) {
            return Ok(Some(StepOutput::new(verdict)));
        }
        match delivery(log.state(), run, start) {
            Delivery::New => {}
            Delivery::Old => return Err(StepError::terminal(ErrorCode::Stale, "a later invocation has started")),
            Delivery::Ended(end) => return repeated(log.state(), end, now).map(Some),
            Delivery::Running { deadline } => {
                let deadline = deadline.filter(|deadline| common.overlap == Overlap::Possible && *deadline > now);
                if let Some(deadline) = deadline {
                    wait_for_end(log, now, deadline, start.deadline).await?;
                    continue;
                }
            }
        }
        if start.step == Step::AwaitUser && !asks_user(log.state(), run) {
            // It was so late that the workflow gave up the wait.
            return Err(StepError::terminal(ErrorCode::Stale, "the user is not asked any more"));
        }
        if let Some(answer) = answer_without_work(log.state(), run, start.step, now) {
            return Ok(Some(answer));
        }
        if log.start_step(run, start).await? {
            return Ok(None);
        }
        log.read_others().await?;
    }
}

fn delivery<'a>(state: &'a SessionState, run: RunNumber, start: &StepStart) -> Delivery<'a> {
    match (state.run_number(run), &start.invocation) {
        (Some(run), Some(id)) => run.entries.delivery(start.step, id, run.last_step_started),
        (None, _) | (_, None) => Delivery::New,
    }
}

/// Waits until the log has grown, at most until one of the deadlines: `theirs` of the invocation at work, `ours` of this one.
async fn wait_for_end(
    log: &mut SessionLog,
    now: Timestamp,
    theirs: Timestamp,
    ours: Timestamp,
) -> Result<(), StepError> {
    let left = elapsed(now, ours).saturating_sub(RESERVE);
    if left.is_zero() {
        return Err(Unavailable::new(Dependency::EarlierInvocation, "it has not ended yet").into());
    }
    let pause = elapsed(now, theirs).min(left).min(WAIT_SLICE);
    Ok(log.wait(pause).await?)
}

/// The answer, or the kind of error, with which an equal invocation ended.
fn repeated(state: &SessionState, end: &EntryEnd, now: Timestamp) -> Result<StepOutput, StepError> {
    match end {
        EntryEnd::Answered(answer) if answer.verdict == Verdict::Await => Ok(await_user(state, now)),
        EntryEnd::Answered(answer) => Ok(answer.clone()),
        EntryEnd::Failed { code: Some(code), message } => Err(StepError::terminal(*code, message.clone())),
        EntryEnd::Failed { code: None, message } => {
            Err(Unavailable::new(Dependency::EarlierInvocation, message.clone()).into())
        }
    }
}

/// The verdict `await` with what is left of the wait. The shortest time when it is over: `await-user` then finds out how.
fn await_user(state: &SessionState, now: Timestamp) -> StepOutput {
    let left = state.wait.as_ref().map_or(0, |wait| elapsed(now, wait.deadline).as_secs());
    StepOutput::await_user(u32::try_from(left).unwrap_or(u32::MAX))
}

/// Whether the user is asked, or has answered the last question.
fn asks_user(state: &SessionState, run: RunNumber) -> bool {
    let outcome = state.run_number(run).and_then(|run| run.wait_outcome);
    state.wait.is_some() || outcome.is_some_and(|outcome| outcome != WaitOutcome::Expired)
}

/// The verdict of a run that is over.
fn end_of_run(state: &SessionState, run: RunNumber) -> Option<Verdict> {
    let finished = state.run_number(run)?.finished.as_ref()?;
    Some(finished.status.verdict().unwrap_or(Verdict::Failed))
}

/// The answer of a step whose run has to end, or waits for the user.
fn answer_without_work(state: &SessionState, run: RunNumber, step: Step, now: Timestamp) -> Option<StepOutput> {
    let run = state.run_number(run)?;
    let is_work = match step {
        Step::Prepare | Step::Plan | Step::GenerateTurn | Step::ExecuteTool | Step::Verify => true,
        Step::AwaitUser | Step::OpenPr | Step::Finish => false,
    };
    if run.rejected && (is_work || step == Step::OpenPr) {
        return Some(StepOutput::new(Verdict::Rejected));
    }
    // An earlier attempt asked the user, but its verdict did not reach the workflow.
    if is_work && run.cancel.is_none() && state.wait.is_some() {
        return Some(await_user(state, now));
    }
    let cancel = run.cancel.as_ref()?;
    let runs_despite_cancel = match step {
        Step::Finish | Step::AwaitUser => true,
        Step::OpenPr => cancel.keep == Keep::Branch,
        Step::Prepare | Step::Plan | Step::GenerateTurn | Step::ExecuteTool | Step::Verify => false,
    };
    (!runs_despite_cancel).then(|| StepOutput::new(after_cancel(state)))
}
