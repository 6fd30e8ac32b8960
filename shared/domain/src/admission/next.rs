//! The state machine of admission: what is to be done for a run, from what its log, its reservation and its execution say.

use std::time::Duration;

use jiff::Timestamp;

use super::{Place, Reservation};
use crate::MicroDollars;
use crate::ports::{ExecutionState, elapsed};

/// Age at which a reservation whose run is in no log is discarded: its start crashed. A start that is still under way takes far
/// less; if one takes longer, its run is enqueued again.
pub const ORPHANED: Duration = Duration::from_secs(600);

/// Maximum time that a run is queued; then it expires. Every wait has a deadline.
pub const MAX_QUEUE_TIME: Duration = Duration::from_secs(24 * 3600);

/// What the log says of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It is not in the log: it is about to be started, or its start crashed.
    Absent,
    /// It is in the log, and none of its steps has started.
    Ready {
        since: Timestamp,
        is_cancelled: bool,
    },
    /// A step has started. `is_answered` when the log holds the answer that its waiting task is still to get.
    Working {
        is_answered: bool,
    },
    Over {
        cost: MicroDollars,
    },
    /// Its log is damaged, so nothing can be done with it any more.
    Unreadable,
}

/// What is known of a run.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub stage: Stage,
    pub reservation: Option<&'a Reservation>,
    /// Whether its session has a record that shows this run.
    pub is_recorded: bool,
    /// Whether its principal has a free slot and no earlier run is queued.
    pub is_next: bool,
    pub execution: ExecutionState,
    pub now: Timestamp,
}

/// What is to be done for a run. Every action may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Adds the session's record, or brings it up to this run: through the record the session is found.
    CompleteRecord,
    /// Adds a reservation at the end of the queue.
    Enqueue,
    /// Adds the reservation, with a slot, of a run that works without one.
    Restore,
    /// Gives the run a slot.
    Promote,
    StartWorkflow,
    /// Completes the waiting task with the answer that is in the log.
    CompleteTask,
    /// Appends the last event of the run.
    End(Ending),
    /// Settles the reservation and charges the cost.
    Release(MicroDollars),
    /// Removes the reservation of a run that was never started.
    Discard,
}

/// Why a run is ended that no step has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was queued for [`MAX_QUEUE_TIME`].
    QueuedTooLong,
    /// Its workflow has ended.
    WorkflowEnded,
}

/// The actions for a run, in order. None when nothing is to be done until something changes.
///
/// An action fails when what it rests on has changed; the rest is then given up and the run is looked at again. A crash after
/// any of the actions leaves a state for which this function answers the rest.
pub fn next(view: View<'_>) -> Vec<Action> {
    let place = view.reservation.map(|reservation| reservation.place);
    match view.stage {
        Stage::Absent => absent(view),
        Stage::Over { cost } => match place {
            Some(Place::Queued | Place::Active) => vec![Action::Release(cost)],
            Some(Place::Settled) | None => Vec::new(),
        },
        Stage::Unreadable => unreadable(view),
        Stage::Ready { .. } | Stage::Working { .. } if view.execution == ExecutionState::Ended => {
            vec![Action::End(Ending::WorkflowEnded)]
        }
        Stage::Ready { since, is_cancelled } => {
            let mut actions = Vec::new();
            if !view.is_recorded {
                actions.push(Action::CompleteRecord);
            }
            if view.execution == ExecutionState::Unknown {
                actions.extend(ready(view, place, since, is_cancelled));
            }
            actions
        }
        // Its reservation counted as abandoned just when its start went on.
        Stage::Working { .. } if place.is_none() => vec![Action::Restore],
        Stage::Working { is_answered } => match view.execution {
            // The engine does not know an execution that has worked: it is started again, and goes on by the log.
            ExecutionState::Unknown => vec![Action::StartWorkflow],
            ExecutionState::Running if is_answered => vec![Action::CompleteTask],
            ExecutionState::Running | ExecutionState::Ended => Vec::new(),
        },
    }
}

fn absent(view: View<'_>) -> Vec<Action> {
    let Some(reservation) = view.reservation else { return Vec::new() };
    match reservation.place {
        Place::Queued | Place::Active if elapsed(reservation.at, view.now) > ORPHANED => {
            vec![Action::Discard]
        }
        Place::Queued | Place::Active | Place::Settled => Vec::new(),
    }
}

/// A damaged log must not hold up the runs behind it in the queue. What an active run has cost is not known, so all that was
/// reserved is charged.
fn unreadable(view: View<'_>) -> Vec<Action> {
    match view.reservation.map(|reservation| (reservation.place, reservation.reserved)) {
        Some((Place::Queued, _)) => vec![Action::Release(MicroDollars(0))],
        Some((Place::Active, reserved)) if view.execution != ExecutionState::Running => vec![Action::Release(reserved)],
        Some((Place::Active | Place::Settled, _)) | None => Vec::new(),
    }
}

/// The actions for a run whose workflow is not started.
fn ready(view: View<'_>, place: Option<Place>, since: Timestamp, is_cancelled: bool) -> Vec<Action> {
    if is_cancelled {
        // Without a slot: all that it does is end.
        return vec![Action::StartWorkflow];
    }
    match place {
        Some(Place::Active) => vec![Action::StartWorkflow],
        _ if elapsed(since, view.now) > MAX_QUEUE_TIME => vec![Action::End(Ending::QueuedTooLong)],
        Some(Place::Queued) if view.is_next => vec![Action::Promote, Action::StartWorkflow],
        Some(Place::Queued) => Vec::new(),
        None | Some(Place::Settled) => vec![Action::Enqueue],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reservation(place: Place) -> Reservation {
        Reservation {
            execution: "01K00000000000000000000001-1".parse().unwrap(),
            principal: "alice".parse().unwrap(),
            place,
            reserved: MicroDollars(7),
            at: "2026-11-25T10:00:00Z".parse().unwrap(),
            ticket: 0,
        }
    }

    /// The actions for a run half a day after its admission.
    fn actions(stage: Stage, place: Option<Place>, execution: ExecutionState) -> Vec<Action> {
        let reservation = place.map(reservation);
        let now = "2026-11-25T22:00:00Z".parse().unwrap();
        next(View { stage, reservation: reservation.as_ref(), is_recorded: true, is_next: false, execution, now })
    }

    #[test]
    fn a_damaged_log_holds_no_place_unless_its_run_works() {
        let unreadable = |place, execution| actions(Stage::Unreadable, Some(place), execution);
        assert_eq!(unreadable(Place::Queued, ExecutionState::Unknown), [Action::Release(MicroDollars(0))]);
        assert_eq!(unreadable(Place::Active, ExecutionState::Ended), [Action::Release(MicroDollars(7))]);
        assert_eq!(unreadable(Place::Active, ExecutionState::Running), []);
        assert_eq!(unreadable(Place::Settled, ExecutionState::Ended), []);
    }

    #[test]
    fn a_run_at_work_without_a_reservation_gets_one_back() {
        let working = |place| actions(Stage::Working { is_answered: false }, place, ExecutionState::Running);
        assert_eq!(working(None), [Action::Restore]);
        assert_eq!(working(Some(Place::Active)), []);
    }
}
