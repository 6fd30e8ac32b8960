use std::{error::Error, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Failure, Position};

/// One call of a task.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskCall {
    /// The `Resource` after substitution, or for a callback its `FunctionName`.
    pub resource: String,
    /// The filled `Parameters`, or for a callback its `Payload`.
    pub input: Value,
    /// What is left of the state's time-out. After it the interpreter drops the future.
    pub timeout: Duration,
    /// For a callback, the token that completes the state.
    pub token: Option<String>,
    /// The execution's name.
    pub execution: String,
    /// The state's name.
    pub state: String,
    /// The number of attempts before this one since the state was entered.
    pub retry_count: u32,
}

/// Carries out the tasks of a state machine.
#[async_trait]
pub trait Tasks: Send + Sync {
    /// Runs one task. **At least once**: after a crash the same call comes again with the same retry count.
    ///
    /// Dropping the future must stop the work or leave it harmless; the interpreter does so at a time-out.
    ///
    /// For a callback, `Ok` means that the work has begun. The interpreter ignores its value and waits for
    /// [`ExecutionStore::wait_for_answer`].
    ///
    /// # Errors
    /// The error name that Retry and Catch match, and a cause.
    async fn invoke(&self, call: TaskCall) -> Result<Value, Failure>;
}

/// The answer that completes a callback task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum TaskAnswer {
    Success { output: Value },
    Failure(Failure),
}

/// Stores the positions of executions and the answers to their tokens, so that another process can resume them.
///
/// The owner of a store ensures that at most **one** interpreter at a time runs an execution.
///
/// A token is *open* from the save of the position that names it until the first answer, until
/// [`ExecutionStore::close_token`], or until the save of a position that no longer names it. The store accepts the first
/// answer to an open token and refuses every other; an accepted answer survives a crash.
#[async_trait]
pub trait ExecutionStore: Send + Sync {
    /// The last saved position; none for an execution that was never started.
    async fn load(&self, execution: &str) -> Result<Option<Position>, StoreError>;

    /// Replaces the position. It is durable when this returns.
    async fn save(&self, execution: &str, position: &Position) -> Result<(), StoreError>;

    /// The accepted answer to `token`, if there is one.
    async fn find_answer(&self, execution: &str, token: &str) -> Result<Option<TaskAnswer>, StoreError>;

    /// Resolves with the answer to `token`, at once if one was accepted before. May be dropped and called again.
    async fn wait_for_answer(&self, execution: &str, token: &str) -> Result<TaskAnswer, StoreError>;

    /// Closes the token after its time-out and returns the answer that was accepted before, if any. Both are one atomic
    /// operation: an answer is either returned here or refused.
    async fn close_token(&self, execution: &str, token: &str) -> Result<Option<TaskAnswer>, StoreError>;
}

/// The execution store could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StoreError(Box<dyn Error + Send + Sync>);

impl StoreError {
    /// Wraps the store's own error.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

/// The wall clock.
#[async_trait]
pub trait Time: Send + Sync {
    fn now(&self) -> Timestamp;

    /// Resolves when [`Time::now`] has reached `at`, at once if it has.
    async fn sleep_until(&self, at: Timestamp);
}

/// Random numbers for jitter and for tokens. Tokens are secrets: use a cryptographic source.
pub trait Random: Send + Sync {
    /// A uniformly distributed number.
    fn next(&self) -> u64;
}

impl<F: Fn() -> u64 + Send + Sync> Random for F {
    fn next(&self) -> u64 {
        self()
    }
}
