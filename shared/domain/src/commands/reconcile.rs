//! Completes what a crash left between two systems.

use std::time::Duration;

use crate::effects::terminate_leftovers;
use crate::ports::{ExecutionState, Sandboxes, Traces, elapsed};
use crate::run_outcome::{final_events, root_span};
use crate::state::SessionState;
use crate::{ErrorCode, ExecutionName, RunNumber, Seq, SessionId, Status, Terminal, summary_of};

use super::{CommandError, Services, execution};

/// What `reconcile` did for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconciled {
    /// Nothing was to be done.
    InOrder,
    /// Nothing was to be done: the run is queued.
    Queued,
    /// Started its workflow: a crash had come between log and workflow.
    Started,
    /// Completed its waiting task: the answer was in the log.
    Answered,
    /// Ended its run: the workflow had ended without it.
    Ended,
}

/// Completes what a crash left of a session between log, queue and workflow. Called at start, on a timer, and when an
/// execution changes its status. An execution that runs, or that its engine will resume, is left alone.
pub async fn reconcile(
    services: &Services,
    sandboxes: &dyn Sandboxes,
    traces: &dyn Traces,
    session: &SessionId,
) -> Result<Reconciled, CommandError> {
    let mut log = services.log(session).await?;
    let (Some(run), Some(execution)) = (log.state().run().cloned(), execution(log.state())) else {
        return Ok(Reconciled::InOrder);
    };
    if run.status.is_terminal() {
        // A crash may have come between the last event and these, or the provider of sandboxes was down.
        release(services, log.state(), run.number).await?;
        terminate_leftovers(&mut log, sandboxes).await;
        if let Some(summary) = summary_of(log.state(), services.clock.now()) {
            services.sessions.update(&summary).await?;
        }
        return Ok(Reconciled::InOrder);
    }
    match services.workflows.state(&execution).await? {
        ExecutionState::Unknown => {
            let Some(session) = log.state().session.clone() else { return Ok(Reconciled::InOrder) };
            if run.last_step_started == Seq(0) && elapsed(run.started, services.clock.now()) > MAX_QUEUE_TIME {
                let ends = |state: &SessionState| Ok::<_, CommandError>(final_events(state, Status::Expired, None));
                log.decide(ends).await?;
                release(services, log.state(), run.number).await?;
                return Ok(Reconciled::Ended);
            }
            let reserved = run.budget.limits().max_cost;
            if run.cancel.is_none() && !services.acquire_slot(&session, &execution, reserved).await? {
                services.sweep(&session.owner).await?;
                if !services.acquire_slot(&session, &execution, reserved).await? {
                    return Ok(Reconciled::Queued);
                }
            }
            services.workflows.start(&execution).await?;
            Ok(Reconciled::Started)
        }
        ExecutionState::Running => {
            // The answer is in the log; a crash may have come between it and the completion of the task.
            let Some(outcome) = run.wait_outcome.filter(|_| run.status == Status::AwaitingUser) else {
                return Ok(Reconciled::InOrder);
            };
            services.complete(log.state(), outcome).await?;
            Ok(Reconciled::Answered)
        }
        ExecutionState::Ended => {
            let failure = run.failure.map_or_else(
                || Terminal::new(ErrorCode::Internal, "the workflow ended before the run did"),
                |(code, message)| Terminal { code, message },
            );
            let now = services.clock.now();
            log.decide(|state| Ok::<_, CommandError>(final_events(state, Status::Failed, Some(&failure)))).await?;
            if let Some(span) = root_span(log.state(), run.number, now) {
                traces.emit(span);
            }
            release(services, log.state(), run.number).await?;
            terminate_leftovers(&mut log, sandboxes).await;
            Ok(Reconciled::Ended)
        }
    }
}

/// Maximum time that a run is queued; then it expires. Every wait has a deadline.
const MAX_QUEUE_TIME: Duration = Duration::from_secs(24 * 3600);

/// Settles the reservation of a run that is over, and starts the queued runs that get its slot.
pub async fn release(services: &Services, state: &SessionState, run: RunNumber) -> Result<(), crate::Unavailable> {
    let (Some(session), Some(run)) = (&state.session, state.run_number(run)) else { return Ok(()) };
    let execution = ExecutionName { session: session.id.clone(), run: run.number };
    services.release(&session.owner, &execution, run.budget.spent()).await
}
