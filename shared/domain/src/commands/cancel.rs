//! Cancels a run.

use crate::{
    EventBody, ExecutionName, IdempotencyKey, Keep, Seq, SessionCancelRequested, SessionId, WaitEnded, WaitOutcome,
};

use super::{CommandError, Services, command_key};

/// Asks for the latest run to end. A running step notices within two seconds; a run that waits for a person ends at once. A
/// second request replaces `keep`, as long as the run is not over.
///
/// # Errors
/// [`Conflict::Illegal`](super::Conflict::Illegal) when the run is over.
pub async fn cancel(
    services: &Services,
    session: &SessionId,
    keep: Keep,
    key: Option<&IdempotencyKey>,
) -> Result<(), CommandError> {
    let arguments = match keep {
        Keep::Branch => "keep the branch",
        Keep::Nothing => "keep nothing",
    };
    let opened = services.log_for(session, command_key(key, "cancel", arguments)).await?;
    let Ok(mut log) = opened else { return Ok(()) };
    let mut waited = false;
    log.decide(|state| {
        let mut bodies: Vec<EventBody> = vec![SessionCancelRequested { keep }.into()];
        waited = state.wait.is_some();
        if waited {
            bodies.push(WaitEnded { outcome: WaitOutcome::Cancelled }.into());
        }
        Ok::<_, CommandError>(bodies)
    })
    .await?;
    if waited {
        services.complete(log.state(), WaitOutcome::Cancelled).await?;
    }
    // A run that no step has started may be queued. It is started without a slot, because all it does is end.
    let run = log.state().run().filter(|run| run.last_step_started == Seq(0)).map(|run| run.number);
    if let Some(run) = run {
        services.advance(&ExecutionName { session: session.clone(), run }).await?;
    }
    Ok(())
}
