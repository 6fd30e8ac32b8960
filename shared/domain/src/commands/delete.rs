//! Deletes sessions.

use crate::state::SessionState;
use crate::{ExecutionName, Principal, SessionDeleted, SessionId, Status, Unavailable};

use super::{CommandError, Conflict, Services};

/// Deletions that [`finish_deletions`] completes per call.
const MAX_DELETIONS: usize = 100;

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

/// Completes deletions that were begun and cut off. To be called from time to time.
pub async fn finish_deletions(services: &Services) -> Result<(), Unavailable> {
    for session in services.sessions.deletions(MAX_DELETIONS).await? {
        remove_contents(services, &session).await?;
    }
    Ok(())
}

/// Settles what is reserved for the latest run, and makes the log refuse every further event.
async fn close_log(services: &Services, session: &SessionId) -> Result<(), CommandError> {
    let mut log = match services.log(session).await {
        Ok(log) => log,
        // An earlier deletion has closed the log, or a log that cannot be read can continue no run.
        Err(CommandError::Deleted(_) | CommandError::Corrupt(_)) => return Ok(()),
        Err(error) => return Err(error),
    };
    check_over(log.state(), session)?;
    services.advance(&ExecutionName { session: session.clone(), run: log.run() }).await?;
    log.decide(|state| {
        check_over(state, session)?;
        // Somebody else may have closed it meanwhile.
        Ok::<_, CommandError>(if state.deleted { Vec::new() } else { vec![SessionDeleted {}.into()] })
    })
    .await
}

fn check_over(state: &SessionState, session: &SessionId) -> Result<(), Conflict> {
    let over = state.status().is_some_and(Status::is_terminal) && state.sandbox.is_none();
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
