//! Completes what a crash left between two systems.

use crate::effects::terminate_leftovers;
use crate::ports::Sandboxes;
use crate::{Dependency, ExecutionName, SessionId, Unavailable};

use super::{CommandError, Progress, Services, delete};

/// Completes what a crash left of a session between log, queue, workflow and sandbox. Called at start, on a timer, and when an
/// execution changes its status. An execution that runs, or that its engine will resume, is left alone.
///
/// # Errors
/// [`CommandError::Unavailable`] when a port fails. What is left is done by the next call.
pub async fn reconcile(
    services: &Services,
    sandboxes: &dyn Sandboxes,
    session: &SessionId,
) -> Result<Progress, CommandError> {
    let log = match services.log(session).await {
        Ok(log) => log,
        Err(CommandError::Deleted(_)) => {
            if let Some(record) = services.sessions.get(session).await? {
                // The deletion was cut off between log and record.
                delete(services, &record.owner, session).await?;
            }
            return Ok(Progress::InOrder);
        }
        Err(error) => return Err(error),
    };
    let execution = ExecutionName { session: session.clone(), run: log.run() };
    let owner = log.state().session.as_ref().map(|fixed| fixed.owner.clone());
    let progress = services.advance(&execution).await?;
    if let Some(owner) = owner {
        services.start_queued(&owner).await?;
    }
    let mut log = services.log(session).await?;
    if log.state().status().is_some_and(|status| status.is_terminal()) {
        terminate_leftovers(&mut log, sandboxes).await;
        services.complete_record(log.state()).await?;
    }
    Ok(progress)
}

/// Settles the reservation of a run that is over, and starts the queued runs that get its slot. May be repeated.
///
/// # Errors
/// When a port fails. What is left is done by the next call, or by [`Services::advance_outstanding`].
pub async fn run_ended(services: &Services, execution: &ExecutionName) -> Result<(), Unavailable> {
    let ended = async {
        services.advance(execution).await?;
        match services.reservations.reservation(execution).await? {
            Some(reservation) => services.start_queued(&reservation.principal).await,
            None => Ok(()),
        }
    };
    ended.await.map_err(|error| match error {
        CommandError::Unavailable(unavailable) => unavailable,
        // The run is in its log, so whatever else fails here is a matter of trying again.
        error => Unavailable::new(Dependency::Accounts, error),
    })
}
