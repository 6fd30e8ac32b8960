//! Extends the budget of a run.

use crate::{
    BudgetExtended, EventBody, ExecutionName, IdempotencyKey, MicroDollars, SessionId, SessionLogError, WaitEnded,
    WaitOutcome, WaitReason,
};

use super::admission::MAX_ATTEMPTS;
use super::{CommandError, Conflict, InvalidInput, Services, command_key};

/// Maximum of one extension: the same as the maximum limits of a new session.
pub(super) const MAX_EXTENSION: BudgetExtended =
    BudgetExtended { turns: 1000, cost: MicroDollars(1_000_000_000), minutes: 1440 };

/// Raises the limits of the latest run. A run that waits for that resumes.
///
/// # Errors
/// [`InvalidInput`] for an extension that is empty or too large; [`CommandError::NotAdmitted`] when the principal's daily limit
/// does not allow the additional cost.
pub async fn extend(
    services: &Services,
    session: &SessionId,
    more: BudgetExtended,
    key: Option<&IdempotencyKey>,
) -> Result<(), CommandError> {
    if more == BudgetExtended::default() {
        return Err(InvalidInput::EmptyExtension.into());
    }
    if more.turns > MAX_EXTENSION.turns || more.cost > MAX_EXTENSION.cost || more.minutes > MAX_EXTENSION.minutes {
        return Err(InvalidInput::Extension.into());
    }
    let arguments = format!("{} {} {}", more.turns, more.cost.0, more.minutes);
    let opened = services.log_for(session, command_key(key, "extend", &arguments)).await?;
    let Ok(mut log) = opened else { return Ok(()) };
    for _ in 0..MAX_ATTEMPTS {
        let Some(run) = log.state().run() else { return Err(CommandError::NotFound(session.clone())) };
        let (number, limit) = (run.number, run.budget.limits().max_cost);
        // Reserved before it is in the log: a crash in between reserves too much until the run is over, never too little. The
        // reservation is raised to the new limit and not by the extension, so that a repetition does not raise it again.
        if more.cost > MicroDollars(0) && !run.status.is_terminal() {
            let execution = ExecutionName { session: session.clone(), run: number };
            services.raise_reservation(&execution, limit + more.cost).await?;
        }
        let mut ended = false;
        let decided = log
            .decide(|state| {
                let run = state.run().filter(|run| run.number == number && run.budget.limits().max_cost == limit);
                if run.is_none() {
                    return Err(Refused::LimitChanged);
                }
                let mut bodies: Vec<EventBody> = vec![more.into()];
                ended = matches!(state.wait.as_ref().map(|wait| &wait.reason), Some(WaitReason::Budget { .. }));
                if ended {
                    bodies.push(WaitEnded { outcome: WaitOutcome::Extended }.into());
                }
                Ok(bodies)
            })
            .await;
        match decided {
            Ok(()) if ended => return Ok(services.complete(log.state(), WaitOutcome::Extended).await?),
            Ok(()) => return Ok(()),
            // Another extension, or another run, came first: what was reserved is not the new limit.
            Err(Refused::LimitChanged) => {}
            Err(Refused::Log(error)) => return Err(error.into()),
        }
    }
    Err(Conflict::Contended.into())
}

/// Why an extension was not appended.
enum Refused {
    /// The limit is not the one that the reservation was raised from.
    LimitChanged,
    Log(SessionLogError),
}

impl From<SessionLogError> for Refused {
    fn from(error: SessionLogError) -> Self {
        Self::Log(error)
    }
}
