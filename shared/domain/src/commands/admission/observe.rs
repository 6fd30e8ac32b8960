//! Reads what the decision on a run rests on.

use crate::admission::{Action, Counters, Place, Reservation, Stage, View, next};
use crate::commands::{CommandError, Services};
use crate::ports::ExecutionState;
use crate::state::RunState;
use crate::{ExecutionName, Seq, SessionLog, Status, Unavailable};

/// What was read of a run, and what is to be done for it.
pub(super) struct Observed {
    pub(super) actions: Vec<Action>,
    pub(super) reservation: Option<Reservation>,
    /// The counters by which the run was found to be the next in its queue; none when that was not decided.
    pub(super) counters: Option<Counters>,
    /// None when the session has no log.
    pub(super) log: Option<SessionLog>,
    stage: Stage,
}

impl Observed {
    /// Whether the run waits in the queue, and nothing is to be done about it.
    pub(super) fn is_queued(&self) -> bool {
        let is_in_queue = self.reservation.as_ref().is_some_and(|reservation| reservation.place == Place::Queued);
        let waits = self.actions.iter().all(|action| *action == Action::CompleteRecord);
        is_in_queue && waits && matches!(self.stage, Stage::Ready { .. })
    }
}

impl Services {
    pub(super) async fn observe(&self, execution: &ExecutionName) -> Result<Observed, CommandError> {
        // The reservation is read before the log: if it is settled, the log, which is read later, shows that the run is over.
        let reservation = self.reservations.reservation(execution).await?;
        let log = match self.log(&execution.session).await {
            Ok(log) => Some(log),
            Err(CommandError::NotFound(_) | CommandError::Deleted(_)) => None,
            Err(error) => return Err(error),
        };
        let run = log.as_ref().and_then(|log| log.state().run_number(execution.run));
        let mut view = View {
            stage: self.stage(execution, run).await?,
            reservation: reservation.as_ref(),
            is_recorded: true,
            is_next: false,
            execution: ExecutionState::Unknown,
            now: self.clock.now(),
        };
        let mut counters = None;
        match view.stage {
            Stage::Absent | Stage::Over { .. } => {}
            Stage::Working { .. } => view.execution = self.workflows.state(execution).await?,
            Stage::Ready { .. } => {
                view.execution = self.workflows.state(execution).await?;
                let summary = self.sessions.summary(&execution.session).await?;
                view.is_recorded = summary.is_some_and(|summary| summary.run >= execution.run);
                if let Some(queued) = reservation.as_ref().filter(|reservation| reservation.place == Place::Queued) {
                    let read = self.reservations.counters(&queued.principal).await?;
                    view.is_next = self.is_next(queued, &read).await?;
                    counters = Some(read);
                }
            }
        }
        let (actions, stage) = (next(view), view.stage);
        Ok(Observed { actions, reservation, counters, log, stage })
    }

    async fn stage(&self, execution: &ExecutionName, run: Option<&RunState>) -> Result<Stage, Unavailable> {
        let Some(run) = run else { return Ok(Stage::Absent) };
        if run.status.is_terminal() {
            return Ok(Stage::Over { cost: run.budget.spent() });
        }
        if run.last_step_started == Seq(0) {
            return Ok(Stage::Ready { since: run.started, is_cancelled: run.cancel.is_some() });
        }
        let has_answer = run.wait_outcome.is_some() && run.status == Status::AwaitingUser;
        let is_answered = has_answer && self.sessions.token(&execution.session, execution.run).await?.is_some();
        Ok(Stage::Working { is_answered })
    }

    /// Whether a queued run is the first of its queue, and a slot is free.
    async fn is_next(&self, queued: &Reservation, counters: &Counters) -> Result<bool, Unavailable> {
        if !counters.has_free_slot(&self.account(&queued.principal).await?.quota) {
            return Ok(false);
        }
        let first = self.reservations.in_place(&queued.principal, Place::Queued, 1).await?;
        Ok(first.first().is_some_and(|first| first.execution == queued.execution))
    }
}
