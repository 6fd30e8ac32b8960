//! Deletes sessions.

use std::time::Duration;

use crate::ports::{ExecutionState, elapsed};
use crate::state::SessionState;
use crate::{ExecutionName, Principal, SessionDeleted, SessionId, SessionLog, Status, Unavailable, error_chain};

use super::{CommandError, Conflict, Services};

/// Deletions that [`finish_deletions`] completes per call.
const MAX_DELETIONS: usize = 100;

/// Maximum wait for the removal of a sandbox.
const REMOVAL_TIME: Duration = Duration::from_secs(10);

/// Deletes a session of `owner` whose runs are over: its events, stored contents, record and live text. What it published,
/// branch and pull request, stays.
///
/// The order is: reservation, `session.deleted` in the log, record, everything else, end of the deletion. The event is the
/// fence: it is refused while a run is active, and no run starts after it. From the record on the session is gone for every
/// reader. A crash
///
/// - before the record leaves a session that is shown in lists and cannot be continued; deleting it again, or `reconcile`,
///   resumes here;
/// - after the record leaves contents without a session, which [`finish_deletions`] removes.
///
/// # Errors
/// [`Conflict::NotOver`] while a run is active or its sandbox is still there; [`CommandError::NotFound`] for a session that does
/// not exist, was deleted, or belongs to somebody else.
pub async fn delete(services: &Services, owner: &Principal, session: &SessionId) -> Result<(), CommandError> {
    let record = services.sessions.get(session).await?;
    if record.is_some_and(|record| record.owner == *owner) {
        close_log(services, session).await?;
    }
    if !services.sessions.begin_deletion(session, owner).await? {
        return Err(CommandError::NotFound(session.clone()));
    }
    Ok(remove_contents(services, session).await?)
}

/// Completes deletions that were begun and cut off. To be called from time to time. One that fails is logged and holds up no
/// other.
pub async fn finish_deletions(services: &Services) -> Result<(), Unavailable> {
    for session in services.sessions.deletions(MAX_DELETIONS).await? {
        if let Err(error) = remove_contents(services, &session).await {
            tracing::warn!(%session, error = error_chain(&error), "the deletion of a session was not completed");
        }
    }
    Ok(())
}

/// Settles what is reserved for the latest run, and makes the log refuse every further event.
async fn close_log(services: &Services, session: &SessionId) -> Result<(), CommandError> {
    let mut log = match services.log(session).await {
        Ok(log) => log,
        // An earlier deletion has closed the log.
        Err(CommandError::Deleted(_)) => return Ok(()),
        // A log that cannot be read starts no run; a process that read it before may still work on one.
        Err(CommandError::Corrupt(_)) => return check_stopped(services, session).await,
        Err(error) => return Err(error),
    };
    wait_for_removal(services, &mut log).await?;
    check_over(log.state(), session)?;
    services.advance(&ExecutionName { session: session.clone(), run: log.run() }).await?;
    log.decide(|state| {
        check_over(state, session)?;
        // Somebody else may have closed it meanwhile.
        Ok::<_, CommandError>(if state.deleted { Vec::new() } else { vec![SessionDeleted {}.into()] })
    })
    .await
}

/// Waits a moment for the sandbox of a run that has just ended: it is removed after the run's last event.
async fn wait_for_removal(services: &Services, log: &mut SessionLog) -> Result<(), CommandError> {
    let end = services.clock.now() + REMOVAL_TIME;
    while is_over(log.state()) && !log.state().leftovers.is_empty() {
        let left = elapsed(services.clock.now(), end);
        if left.is_zero() {
            break;
        }
        log.wait(left).await?;
    }
    Ok(())
}

async fn check_stopped(services: &Services, session: &SessionId) -> Result<(), CommandError> {
    let Some(summary) = services.sessions.summary(session).await? else { return Ok(()) };
    let execution = ExecutionName { session: session.clone(), run: summary.run };
    match services.workflows.state(&execution).await? {
        ExecutionState::Running => Err(Conflict::NotOver(session.clone()).into()),
        ExecutionState::Unknown | ExecutionState::Ended => Ok(()),
    }
}

fn is_over(state: &SessionState) -> bool {
    state.status().is_some_and(Status::is_terminal)
}

/// The sandbox has to be gone, because nothing would know of it any more.
fn check_over(state: &SessionState, session: &SessionId) -> Result<(), Conflict> {
    let over = is_over(state) && state.sandbox.is_none() && state.leftovers.is_empty();
    if over { Ok(()) } else { Err(Conflict::NotOver(session.clone())) }
}

/// Removes everything but the record, which is removed already, and ends the deletion. The log goes before the blobs, so that a
/// reader finds no log rather than a log with gaps.
async fn remove_contents(services: &Services, session: &SessionId) -> Result<(), Unavailable> {
    services.live.forget(session).await?;
    services.workflows.forget(session).await?;
    services.reservations.forget(session).await?;
    services.event_log.delete(session).await?;
    services.blobs.delete_session(session).await?;
    services.sessions.end_deletion(session).await
}
