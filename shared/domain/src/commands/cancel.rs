//! Ends a run before its time.

use crate::{EventBody, ExecutionName, Keep, Seq, SessionCancelRequested, SessionId, WaitEnded, WaitOutcome};

use super::{CommandError, Services};

/// Asks for the latest run to end. A step at work sees it within two seconds; a run that waits for a person ends at once.
/// Asking again changes what is kept, as long as the run has not ended.
pub async fn cancel(services: &Services, session: &SessionId, keep: Keep) -> Result<(), CommandError> {
    let mut log = services.log(session).await?;
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
    // A run in line needs no place to come to its end.
    let state = log.state();
    if let Some(run) = state.run().filter(|run| run.last_step_started == Seq(0)) {
        services.workflows.start(&ExecutionName { session: session.clone(), run: run.number }).await?;
    }
    Ok(())
}
