//! Ends a run before its time.

use crate::{CancelRequested, EventBody, ExecutionName, Keep, Seq, SessionId, WaitEnded, WaitOutcome};

use super::{CommandError, Desk};

/// Asks for the latest run to end. A step at work sees it within two seconds; a run that waits for a person ends at once.
/// Asking again changes what is kept, as long as the run has not ended.
pub async fn cancel(desk: &Desk, session: &SessionId, keep: Keep) -> Result<(), CommandError> {
    let mut journal = desk.journal(session).await?;
    let mut waited = false;
    journal
        .decide(|state| {
            let mut bodies: Vec<EventBody> = vec![CancelRequested { keep }.into()];
            waited = state.wait.is_some();
            if waited {
                bodies.push(WaitEnded { outcome: WaitOutcome::Cancelled }.into());
            }
            Ok::<_, CommandError>(bodies)
        })
        .await?;
    if waited {
        desk.complete(journal.state(), WaitOutcome::Cancelled).await?;
    }
    // A run in line needs no place to come to its end.
    let state = journal.state();
    if let Some(run) = state.run().filter(|run| run.last_step_started == Seq(0)) {
        desk.workflows.start(&ExecutionName { session: session.clone(), run: run.number }).await?;
    }
    Ok(())
}
