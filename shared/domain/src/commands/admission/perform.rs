//! Performs the actions of admission. Each may be repeated.

use crate::admission::{Action, Counters, Ending, Place, Reservation};
use crate::commands::{CommandError, Services};
use crate::run_outcome::{final_events, root_span};
use crate::state::{RunState, SessionState};
use crate::{ErrorCode, ExecutionName, Seq, SessionLog, SessionLogError, Status, Terminal, Unavailable, summary_of};

use super::observe::Observed;
use super::{Changed, Progress};

impl Services {
    /// Performs one action. Inner error: something that it rests on was changed.
    pub(super) async fn perform(
        &self,
        action: Action,
        execution: &ExecutionName,
        observed: &mut Observed,
        attempt: u32,
    ) -> Result<Result<Option<Progress>, Changed>, CommandError> {
        let change = match action {
            Action::Enqueue => {
                let run = observed.log.as_ref().and_then(|log| reservation_of(log.state(), execution));
                let Some(run) = run else { return Ok(Ok(None)) };
                self.counters_for(&run, observed).await?.enqueue(observed.reservation.clone(), run)
            }
            Action::Restore => {
                let run = observed.log.as_ref().and_then(|log| reservation_of(log.state(), execution));
                let Some(run) = run else { return Ok(Ok(None)) };
                self.counters_for(&run, observed).await?.restore(run)
            }
            Action::Promote => {
                let Some(queued) = observed.reservation.clone() else { return Ok(Ok(None)) };
                self.counters_for(&queued, observed).await?.promote(queued)
            }
            Action::Release(cost) => {
                let Some(held) = observed.reservation.clone() else { return Ok(Ok(None)) };
                self.counters_for(&held, observed).await?.settle(held, cost, self.clock.now())
            }
            Action::Discard => {
                let Some(unused) = observed.reservation.clone() else { return Ok(Ok(None)) };
                self.counters_for(&unused, observed).await?.discard(unused)
            }
            Action::StartWorkflow => {
                self.workflows.start(execution).await?;
                return Ok(Ok(Some(Progress::Started)));
            }
            Action::CompleteRecord => {
                if let Some(log) = &observed.log {
                    self.complete_record(log.state()).await?;
                }
                return Ok(Ok(None));
            }
            Action::CompleteTask => {
                let state = observed.log.as_ref().map(SessionLog::state);
                let outcome = state.and_then(|state| state.run_number(execution.run)?.wait_outcome);
                if let (Some(state), Some(outcome)) = (state, outcome) {
                    self.complete(state, outcome).await?;
                }
                return Ok(Ok(Some(Progress::Answered)));
            }
            Action::End(ending) => {
                if let Some(log) = &mut observed.log {
                    self.end(log, execution, ending).await?;
                }
                return Ok(Ok(Some(Progress::Ended)));
            }
        };
        Ok(self.commit(&change, execution, attempt).await?.map(|()| None))
    }

    /// The counters to change together with a reservation: those by which the action was decided, if it was by any.
    async fn counters_for(&self, reservation: &Reservation, observed: &Observed) -> Result<Counters, Unavailable> {
        match &observed.counters {
            Some(counters) => Ok(counters.clone()),
            None => self.reservations.counters(&reservation.principal).await,
        }
    }

    /// Appends the last event of a run that no step will end, and emits its root span.
    async fn end(&self, log: &mut SessionLog, execution: &ExecutionName, ending: Ending) -> Result<(), CommandError> {
        let (status, failure) = match ending {
            Ending::QueuedTooLong => (Status::Expired, None),
            Ending::WorkflowEnded => {
                let recorded = log.state().run_number(execution.run).and_then(|run| run.failure.clone());
                let failure = recorded.map_or_else(
                    || Terminal::new(ErrorCode::Internal, "the workflow ended before the run did"),
                    |(code, message)| Terminal { code, message },
                );
                (Status::Failed, Some(failure))
            }
        };
        let mut is_ours = false;
        log.decide(|state| {
            let is_still = |run: &RunState| match ending {
                Ending::QueuedTooLong => run.last_step_started == Seq(0),
                Ending::WorkflowEnded => true,
            };
            let run = state.run().filter(|run| run.number == execution.run && !run.status.is_terminal());
            is_ours = run.is_some_and(is_still);
            let events = if is_ours { final_events(state, status, failure.as_ref()) } else { Vec::new() };
            Ok::<_, SessionLogError>(events)
        })
        .await?;
        if is_ours && let Some(span) = root_span(log.state(), execution.run, self.clock.now()) {
            self.traces.emit(span);
        }
        Ok(self.complete_record(log.state()).await?)
    }

    /// Adds the session's record, or brings its summary up to the log.
    pub(in crate::commands) async fn complete_record(&self, state: &SessionState) -> Result<(), Unavailable> {
        if let (Some(session), Some(summary)) = (&state.session, summary_of(state, self.clock.now()))
            && !self.sessions.create(session, &summary).await?
        {
            self.sessions.update(&summary).await?;
        }
        Ok(())
    }
}

/// The reservation for a run that is in its log without one.
fn reservation_of(state: &SessionState, execution: &ExecutionName) -> Option<Reservation> {
    let (session, run) = (state.session.as_ref()?, state.run_number(execution.run)?);
    Some(Reservation {
        execution: execution.clone(),
        principal: session.owner.clone(),
        place: Place::Queued,
        reserved: run.budget.limits().max_cost,
        at: run.started,
        ticket: 0,
    })
}
