//! Ends or restarts what nothing else ended or restarted.

use std::time::Duration;

use crate::ending::{ended_bodies, root_span};
use crate::ports::{ExecutionState, Sandboxes, Traces, elapsed};
use crate::state::SessionState;
use crate::{
    ErrorCode, ExecutionName, RunNumber, SandboxTerminated, Seq, SessionId, Status, Step, Terminal, WaitOutcome,
    summary_of,
};

use super::{CommandError, Desk, execution};

/// What had to be done about a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconciled {
    /// Nothing.
    InOrder,
    /// Nothing: it waits for a place.
    Queued,
    /// Its workflow was started: a crash had come between log and workflow.
    Started,
    /// Its waiting task was completed: the answer stood in the log.
    Answered,
    /// Its run was ended: its workflow was over without having said so.
    Ended,
}

/// Puts a session in order: run at start, on a timer, and when an execution changes its status.
///
/// An execution that runs, or that its engine will resume, is left alone.
pub async fn reconcile(
    desk: &Desk,
    sandboxes: &dyn Sandboxes,
    traces: &dyn Traces,
    session: &SessionId,
) -> Result<Reconciled, CommandError> {
    let mut journal = desk.journal(session).await?;
    let (Some(run), Some(execution)) = (journal.state().run().cloned(), execution(journal.state())) else {
        return Ok(Reconciled::InOrder);
    };
    if run.status.is_terminal() {
        // A crash may have come between the last event and this.
        release(desk, journal.state(), run.number).await?;
        if let Some(summary) = summary_of(journal.state(), desk.clock.now()) {
            desk.sessions.update(&summary).await?;
        }
        return Ok(Reconciled::InOrder);
    }
    match desk.workflows.state(&execution).await? {
        ExecutionState::Unknown => {
            let Some(session) = journal.state().session.clone() else { return Ok(Reconciled::InOrder) };
            if run.last_step_started == Seq(0) && elapsed(run.started, desk.clock.now()) > LONGEST_IN_LINE {
                let ends = |state: &SessionState| Ok::<_, CommandError>(ended_bodies(state, Status::Expired, None));
                journal.decide(ends).await?;
                release(desk, journal.state(), run.number).await?;
                return Ok(Reconciled::Ended);
            }
            let reserved = run.budget.limits().max_cost;
            if run.cancel.is_none() && !desk.has_place(&session, &execution, reserved).await? {
                desk.look_after(&session.owner).await?;
                if !desk.has_place(&session, &execution, reserved).await? {
                    return Ok(Reconciled::Queued);
                }
            }
            desk.workflows.start(&execution).await?;
            Ok(Reconciled::Started)
        }
        ExecutionState::Running => {
            let outcome = last_wait_outcome(&journal);
            match outcome {
                Some(outcome) if journal.state().status() == Some(Status::AwaitingUser) => {
                    desk.complete(journal.state(), outcome).await?;
                    Ok(Reconciled::Answered)
                }
                _ => Ok(Reconciled::InOrder),
            }
        }
        ExecutionState::Ended => {
            if let Some(sandbox) = journal.state().sandbox.clone() {
                sandboxes
                    .terminate(&sandbox.id)
                    .await
                    .map_err(|error| CommandError::Unavailable(crate::Unavailable::new("the sandboxes", error)))?;
                let reason = "the workflow ended without the run".to_owned();
                journal.append(vec![SandboxTerminated { sandbox: sandbox.id, reason }.into()]).await?;
            }
            let failure = run.failure.map_or_else(
                || Terminal::new(ErrorCode::Internal, "the workflow ended before the run did"),
                |(code, message)| Terminal { code, message },
            );
            let now = desk.clock.now();
            journal.decide(|state| Ok::<_, CommandError>(ended_bodies(state, Status::Failed, Some(&failure)))).await?;
            if let Some(span) = root_span(journal.state(), run.number, now) {
                traces.emit(span);
            }
            release(desk, journal.state(), run.number).await?;
            Ok(Reconciled::Ended)
        }
    }
}

/// So long a run waits for a place at the most.
const LONGEST_IN_LINE: Duration = Duration::from_secs(24 * 3600);

/// Gives the place of a run that is over to the next in line.
pub async fn release(desk: &Desk, state: &SessionState, run: RunNumber) -> Result<(), crate::Unavailable> {
    let (Some(session), Some(run)) = (&state.session, state.run_number(run)) else { return Ok(()) };
    let execution = ExecutionName { session: session.id.clone(), run: run.number };
    desk.release(&session.owner, &execution, run.budget.spent()).await
}

/// The outcome of a wait that ended after `await-user` last went to work and that nothing followed.
fn last_wait_outcome(journal: &crate::Journal) -> Option<WaitOutcome> {
    for event in journal.events().iter().rev() {
        match &event.body {
            crate::EventBody::WaitEnded(ended) => return Some(ended.outcome),
            crate::EventBody::StepStarted(started) if started.step != Step::AwaitUser => return None,
            crate::EventBody::WaitStarted(_) => return None,
            _ => {}
        }
    }
    None
}
