//! The commands: what users and timers do to sessions. Shared by the HTTP API, the command line and every other entry.
//!
//! Most commands are one decision over the log ([`SessionLog::decide`]): read, decide, append, and decide again when somebody
//! else appended first. A waiting task is completed only after its answer is in the log. So a crash in between loses nothing:
//! `await-user` re-reads the log, and [`reconcile`] completes the task.
//!
//! A command may come with an idempotency key. The key is appended with the command's events; the same command with the same key
//! again, as one of the next 64 of the session, changes nothing and succeeds.

mod admission;
mod answer;
mod cancel;
mod delete;
mod error;
mod extend;
mod follow_up;
mod reconcile;
mod start;
mod tokens;

use std::sync::Arc;

pub use admission::Progress;
pub use answer::{approve, message, reject};
pub use cancel::cancel;
pub use delete::{delete, finish_deletions};
pub use error::{CommandError, Conflict, InvalidInput};
pub use extend::extend;
pub use follow_up::start_follow_up;
pub use reconcile::{reconcile, run_ended};
pub use start::{Origin, Start, Started, start};
pub use tokens::{NewToken, create_token, revoke_token};

use crate::ports::{Accounts, Blobs, Clock, EventLog, Ids, LiveText, Reservations, Sessions, Traces, Workflows};
use crate::state::SessionState;
use crate::{
    CommandKey, ExecutionName, IdempotencyKey, Keep, Redactor, RunNumber, SessionId, SessionLog, SessionLogs,
    StepOutput, Unavailable, Verdict, WaitOutcome,
};

/// The ports that commands use.
#[derive(Clone)]
pub struct Services {
    pub event_log: Arc<dyn EventLog>,
    pub sessions: Arc<dyn Sessions>,
    pub accounts: Arc<dyn Accounts>,
    pub reservations: Arc<dyn Reservations>,
    pub workflows: Arc<dyn Workflows>,
    pub blobs: Arc<dyn Blobs>,
    pub live: Arc<dyn LiveText>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub traces: Arc<dyn Traces>,
    /// Applied to everything that people write, before it is stored.
    pub redactor: Redactor,
}

impl Services {
    /// Opens the logs of sessions.
    pub fn logs(&self) -> SessionLogs {
        let (event_log, sessions) = (Arc::clone(&self.event_log), Arc::clone(&self.sessions));
        SessionLogs::new(event_log, sessions, Arc::clone(&self.blobs), Arc::clone(&self.clock)).uncached()
    }

    async fn log(&self, session: &SessionId) -> Result<SessionLog, CommandError> {
        Ok(self.logs().open(session).await?)
    }

    /// Opens the log of a session for a command. When the command was recorded before, by an earlier request with its
    /// key, what that request may have left undone is done, and the answer is the latest run.
    async fn log_for(
        &self,
        session: &SessionId,
        command: Option<CommandKey>,
    ) -> Result<Result<SessionLog, RunNumber>, CommandError> {
        let log = self.log(session).await?.with_command(command);
        if !log.is_recorded()? {
            return Ok(Ok(log));
        }
        self.advance(&ExecutionName { session: session.clone(), run: log.run() }).await?;
        Ok(Err(log.run()))
    }

    /// Completes the waiting task of the latest run, if there is one. The token is removed last: after a crash in between the
    /// task is completed again, which the engine ignores.
    async fn complete(&self, state: &SessionState, outcome: WaitOutcome) -> Result<(), Unavailable> {
        let (Some(session), Some(run)) = (&state.session, state.run()) else { return Ok(()) };
        if let Some(token) = self.sessions.token(&session.id, run.number).await? {
            self.workflows.complete(&token, &StepOutput::new(after_wait(outcome, state))).await?;
            self.sessions.clear_token(&session.id, run.number, &token).await?;
        }
        Ok(())
    }
}

/// The key of a command as it stands in the log.
fn command_key(key: Option<&IdempotencyKey>, command: &str, arguments: &str) -> Option<CommandKey> {
    key.map(|key| CommandKey::new(key, command, arguments))
}

/// The verdict that follows when a wait ends.
pub fn after_wait(outcome: WaitOutcome, state: &SessionState) -> Verdict {
    match outcome {
        WaitOutcome::Approved | WaitOutcome::Answered => Verdict::Turn,
        // The budget may run out while the model still plans.
        WaitOutcome::Extended if !state.has_approved_plan() => Verdict::Plan,
        WaitOutcome::Extended => Verdict::Turn,
        WaitOutcome::PlanAnswered => Verdict::Plan,
        WaitOutcome::Rejected => Verdict::Rejected,
        WaitOutcome::Cancelled => after_cancel(state),
        WaitOutcome::Expired => Verdict::Publish,
    }
}

/// The verdict that follows when a run is to be cancelled: its work is published first, if that was asked for and there is
/// any.
pub fn after_cancel(state: &SessionState) -> Verdict {
    let keep = state.run().and_then(|run| run.cancel.as_ref()).map(|cancel| cancel.keep);
    match keep {
        Some(Keep::Branch) if state.checkpoint.is_some() => Verdict::Publish,
        Some(Keep::Branch | Keep::Nothing) | None => Verdict::Cancelled,
    }
}
