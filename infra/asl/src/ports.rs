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
    /// The `Parameters` filled in, or for a callback its `Payload`.
    pub input: Value,
    /// What is left of the state's time-out. When it is over the future is dropped.
    pub timeout: Duration,
    /// The token that completes the state, for a callback.
    pub token: Option<String>,
    /// The execution's name.
    pub execution: String,
    /// The state's name.
    pub state: String,
    /// How often this visit of the state was tried before.
    pub retry_count: u32,
}

/// Who does the tasks.
#[async_trait]
pub trait Tasks: Send + Sync {
    /// Does one task. **At least once**: after a crash the same call comes again with the same retry count.
    ///
    /// Dropping the future must stop the work or leave it harmless: a time-out does that.
    ///
    /// For a callback, `Ok` means that the work is under way, its value is not looked at, and the state waits for
    /// [`ExecutionStore::wait_for_answer`].
    ///
    /// # Errors
    /// The name that Retry and Catch match, and a cause.
    async fn invoke(&self, call: TaskCall) -> Result<Value, Failure>;
}

/// What whoever completes a token says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum TaskAnswer {
    /// The task's result.
    Success { output: Value },
    /// The task failed.
    Failure(Failure),
}

/// Where executions are written down, so that another process can go on with them.
///
/// The holder of a journal sees to it that **one** interpreter at a time runs an execution.
///
/// A token is *open* from the save of the position that names it until an answer, [`ExecutionStore::close_token`], or the save
/// of a position that does not name it any more. The journal takes the first answer to an open token and refuses every
/// other; an answer it took survives a crash.
#[async_trait]
pub trait ExecutionStore: Send + Sync {
    /// The last position saved, or none for an execution that was never started.
    async fn load(&self, execution: &str) -> Result<Option<Position>, StoreError>;

    /// Replaces the position. Durable when it returns.
    async fn save(&self, execution: &str, position: &Position) -> Result<(), StoreError>;

    /// The answer to `token`, if one was taken.
    async fn find_answer(&self, execution: &str, token: &str) -> Result<Option<TaskAnswer>, StoreError>;

    /// Resolves with the answer to `token`, at once if it was taken already. May be dropped and called again.
    async fn wait_for_answer(&self, execution: &str, token: &str) -> Result<TaskAnswer, StoreError>;

    /// The time is over: in one step, answers what [`ExecutionStore::find_answer`] would and refuses answers from now on.
    async fn close_token(&self, execution: &str, token: &str) -> Result<Option<TaskAnswer>, StoreError>;
}

/// The journal could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StoreError(Box<dyn Error + Send + Sync>);

impl StoreError {
    /// Wraps what the store said.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

/// The wall clock.
#[async_trait]
pub trait Time: Send + Sync {
    /// The time of day.
    fn now(&self) -> Timestamp;

    /// Resolves when [`Time::now`] has reached `at`, at once if it has.
    async fn sleep_until(&self, at: Timestamp);
}

/// Dice, for jitter and for tokens. Tokens are secrets: use a cryptographic source.
pub trait Random: Send + Sync {
    /// A number, all values equally likely.
    fn next(&self) -> u64;
}

impl<F: Fn() -> u64 + Send + Sync> Random for F {
    fn next(&self) -> u64 {
        self()
    }
}
