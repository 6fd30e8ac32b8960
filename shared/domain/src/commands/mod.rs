//! What users and the clock do to sessions, shared by every way in.
//!
//! Each command is one decision over the log ([`SessionLog::decide`]): read, judge, append, and judge again when somebody
//! else was faster. A task that waits is completed after its answer stands in the log, so a crash in between loses
//! nothing: `await-user` re-reads the log, and [`reconcile`] completes what was left.

mod admission;
mod answer;
mod cancel;
mod error;
mod reconcile;
mod start;
mod tokens;

use std::sync::Arc;

pub use answer::{approve, extend, follow_on, message, reject};
pub use cancel::cancel;
pub use error::{CommandError, Conflict, InvalidInput};
pub use reconcile::{Reconciled, reconcile, release};
pub use start::{Origin, Start, Started, start};
pub use tokens::{NewToken, create_token, revoke_token};

use crate::ports::{Accounts, Clock, EventLog, Ids, Sessions, Workflows};
use crate::state::SessionState;
use crate::{ExecutionName, Keep, Redactor, SessionId, SessionLog, StepOutput, Unavailable, Verdict, WaitOutcome};

/// What commands need of the outside.
#[derive(Clone)]
pub struct Services {
    /// The logs.
    pub event_log: Arc<dyn EventLog>,
    /// The records.
    pub sessions: Arc<dyn Sessions>,
    /// Principals, their limits and what runs for them.
    pub accounts: Arc<dyn Accounts>,
    /// The engine.
    pub workflows: Arc<dyn Workflows>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Identifiers.
    pub ids: Arc<dyn Ids>,
    /// Masks what people write.
    pub redactor: Redactor,
}

impl Services {
    async fn log(&self, session: &SessionId) -> Result<SessionLog, CommandError> {
        Ok(SessionLog::open(Arc::clone(&self.event_log), Arc::clone(&self.clock), session).await?)
    }

    /// Completes the task that waits for `outcome`, if one does.
    async fn complete(&self, state: &SessionState, outcome: WaitOutcome) -> Result<(), Unavailable> {
        let (Some(session), Some(run)) = (&state.session, state.run()) else { return Ok(()) };
        if let Some(token) = self.sessions.token(&session.id, run.number).await? {
            self.workflows.complete(&token, &StepOutput::go(after_wait(outcome, state))).await?;
            self.sessions.clear_token(&session.id, run.number).await?;
        }
        Ok(())
    }
}

/// What follows when a wait ends.
pub fn after_wait(outcome: WaitOutcome, state: &SessionState) -> Verdict {
    match outcome {
        WaitOutcome::Approved | WaitOutcome::Answered => Verdict::Turn,
        // A budget may run out before there is a plan that counts.
        WaitOutcome::Extended if !state.has_approved_plan() => Verdict::Plan,
        WaitOutcome::Extended => Verdict::Turn,
        WaitOutcome::PlanAnswered => Verdict::Plan,
        WaitOutcome::Rejected => Verdict::Rejected,
        WaitOutcome::Cancelled => after_cancel(state),
        WaitOutcome::Expired => Verdict::Publish,
    }
}

/// What follows when a run is to be cancelled: its branch is published first if that was asked for and there is work.
pub fn after_cancel(state: &SessionState) -> Verdict {
    let keep = state.run().and_then(|run| run.cancel.as_ref()).map(|cancel| cancel.keep);
    match keep {
        Some(Keep::Branch) if state.checkpoint.is_some() => Verdict::Publish,
        Some(Keep::Branch | Keep::Nothing) | None => Verdict::Cancelled,
    }
}

fn execution(state: &SessionState) -> Option<ExecutionName> {
    Some(ExecutionName { session: state.session.as_ref()?.id.clone(), run: state.run()?.number })
}
