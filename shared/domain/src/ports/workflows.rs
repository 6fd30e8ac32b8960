//! The port to the workflow engine.

use async_trait::async_trait;

use crate::{ExecutionName, SessionId, StepOutput, TaskToken, Unavailable};

/// Whether an execution runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutionState {
    /// It was never started.
    Unknown,
    /// It runs, or its engine will resume it.
    Running,
    Ended,
}

/// The workflow engine, which runs `infra/statemachine/session.asl.json`.
///
/// # Contract
/// - **Callers may rely on** a name being started at most once, however often `start` is called, and on a token being accepted
///   at most once.
/// - **An implementation must** resume every execution that it has accepted, whatever process dies.
/// - **After a crash** between an append and the call that it is the intent of, `reconcile` repeats the call: `start` for a run
///   that is in its log, `complete` for a `wait.ended` whose token is still stored.
#[async_trait]
pub trait Workflows: Send + Sync {
    /// Starts an execution, whose input is the session's id and the run's number.
    async fn start(&self, execution: &ExecutionName) -> Result<(), Unavailable>;

    /// Completes a waiting task. False for a token that is not waited for any more.
    async fn complete(&self, token: &TaskToken, answer: &StepOutput) -> Result<bool, Unavailable>;

    /// Stops an execution without running its Catch states. The last resort: the normal way to end a run is to cancel it.
    async fn stop(&self, execution: &ExecutionName, cause: &str) -> Result<(), Unavailable>;

    async fn state(&self, execution: &ExecutionName) -> Result<ExecutionState, Unavailable>;

    /// Forgets the executions of a session whose runs are over, as far as the engine allows it: their names may remain taken. An
    /// execution that is about to end is waited for, or [`Unavailable`] is returned. May be repeated.
    async fn forget(&self, session: &SessionId) -> Result<(), Unavailable>;
}
