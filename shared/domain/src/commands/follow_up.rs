//! Starts the next run of a session.

use crate::state::SessionState;
use crate::{Conversation, EventBody, ExecutionName, RunNumber, RunStarted, SessionLog, Unavailable};

use super::answer::user_message;
use super::{CommandError, Conflict, Services};

/// Starts the next run of a session with a message.
pub(super) async fn start_next_with(
    services: &Services,
    log: SessionLog,
    text: &str,
) -> Result<RunNumber, CommandError> {
    // Without an approved plan, the next run starts by planning.
    let conversation = if log.state().has_approved_plan() { Conversation::Main } else { Conversation::Plan };
    start_next(services, log, vec![user_message(conversation, text, None)]).await
}

/// Starts the next run of a session when its run ended well before the model had read every message. Does nothing when somebody
/// else started it, or when the quota does not allow it: the message then waits for the next run.
pub(super) async fn start_follow_up_if_due(services: &Services, execution: &ExecutionName) -> Result<(), Unavailable> {
    let session = &execution.session;
    let started = match services.log(session).await {
        Ok(log) if !is_due(log.state(), execution) => return Ok(()),
        Ok(log) => start_next(services, log, Vec::new()).await,
        Err(error) => Err(error),
    };
    match started {
        Err(CommandError::Unavailable(unavailable)) => Err(unavailable),
        Err(refused) => {
            tracing::info!(%session, reason = crate::error_chain(&refused), "no further run was started");
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}

fn is_due(state: &SessionState, execution: &ExecutionName) -> bool {
    let latest = state.run().filter(|run| run.number == execution.run);
    let seen = state.main.last_reply.as_ref().map(|reply| reply.up_to);
    latest.is_some_and(|run| run.status.is_success()) && state.last_user_message > seen
}

/// Reserves for the next run, appends it, and starts it. A crash before the append leaves a reservation that is discarded
/// once it is old, one after it a run that the reservation leads to.
async fn start_next(
    services: &Services,
    mut log: SessionLog,
    bodies: Vec<EventBody>,
) -> Result<RunNumber, CommandError> {
    let state = log.state();
    let (Some(session), Some(latest)) = (state.session.clone(), state.run()) else {
        return Err(CommandError::NotFound(log.session_id().clone()));
    };
    if !latest.status.is_terminal() {
        return Err(Conflict::RunActive.into());
    }
    let limits = session.request.limits;
    let execution = ExecutionName { session: session.id.clone(), run: latest.number.next() };
    let (owner, repo_url) = (&session.owner, &session.request.repo_url);
    let reservation = services.reserve(owner, &execution, repo_url, limits.max_cost).await?;
    let queued = services.queue_reason(&reservation).await?;
    let started = RunStarted { root_span_id: services.ids.span(), limits, queued };
    // Fails when somebody else has started this run. The reservation is that run's then.
    log.start_run(execution.run, started, bodies).await?;
    services.advance(&execution).await?;
    Ok(execution.run)
}
