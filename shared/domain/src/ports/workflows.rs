//! The port to the workflow engine.

use async_trait::async_trait;

use crate::{ExecutionName, StepOutput, TaskToken, Unavailable};

/// How an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutionState {
    /// The engine does not know it.
    Unknown,
    /// It runs, or will go on when its engine is there again.
    Running,
    /// It is over.
    Ended,
}

/// Runs `infra/statemachine/session.asl.json`.
///
/// Contract: an execution is started at most once per name, however often `start` is called; `complete` reports false for
/// a token that is not waited for any more; `stop` is the brake of last resort and skips every Catch.
#[async_trait]
pub trait Workflows: Send + Sync {
    /// Starts an execution. Its input is the session's id and the run's number.
    async fn start(&self, execution: &ExecutionName) -> Result<(), Unavailable>;

    /// Answers a waiting task.
    async fn complete(&self, token: &TaskToken, answer: &StepOutput) -> Result<bool, Unavailable>;

    /// Ends an execution.
    async fn stop(&self, execution: &ExecutionName, cause: &str) -> Result<(), Unavailable>;

    /// How an execution stands.
    async fn state(&self, execution: &ExecutionName) -> Result<ExecutionState, Unavailable>;
}
