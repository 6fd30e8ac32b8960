use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    End, ExecutionStore, Failure, Position, Progress, Random, State, StateEntry, StateMachine, StoreError, Tasks, Time,
    context::Context,
    run::{Outcome, Ports, StateRun, later},
    size::within_limit,
};

/// Runs executions of one state machine.
pub struct Interpreter {
    name: String,
    machine: StateMachine,
    ports: Ports,
}

/// The execution could not be run. Its position is the last saved one, from which it can be resumed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("the execution name {0:?} must be 1 to 80 letters, digits, '-' or '_'")]
    InvalidName(String),
    #[error("the execution {0:?} exists already with another input")]
    ExecutionAlreadyExists(String),
    #[error("there is no execution {0:?}")]
    ExecutionDoesNotExist(String),
    #[error("the execution {execution:?} is in the state {state:?}, which the definition does not contain")]
    UnknownState { execution: String, state: String },
    #[error("the execution store failed")]
    Store(#[from] StoreError),
}

impl Interpreter {
    /// `name` is the state machine's name in the context object.
    pub fn new(
        name: impl Into<String>,
        machine: StateMachine,
        tasks: Arc<dyn Tasks>,
        store: Arc<dyn ExecutionStore>,
        time: Arc<dyn Time>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self { name: name.into(), machine, ports: Ports { tasks, store, time, random } }
    }

    pub fn machine(&self) -> &StateMachine {
        &self.machine
    }

    /// Starts an execution and runs it to its end. If it exists already with the same input, it is resumed; if it is over,
    /// its end is returned again. Dropping the future leaves the execution at its last saved position.
    ///
    /// # Errors
    /// [`RunError::ExecutionAlreadyExists`] if it exists with another input, [`RunError::InvalidName`],
    /// [`RunError::UnknownState`], or the store's error.
    pub async fn run(&self, execution: &str, input: Value) -> Result<End, RunError> {
        check_name(execution)?;
        match self.ports.store.load(execution).await? {
            Some(position) if position.input == input => self.run_from(execution, position).await,
            Some(_) => Err(RunError::ExecutionAlreadyExists(execution.to_owned())),
            None => {
                let started_at = self.ports.time.now();
                let progress = match within_limit(input.clone(), "the execution's input") {
                    Ok(input) => Progress::In(self.enter(self.machine.start_at(), input)),
                    Err(failure) => Progress::Ended(End::Failed(failure)),
                };
                let position = Position { input, started_at, progress };
                self.ports.store.save(execution, &position).await?;
                self.run_from(execution, position).await
            }
        }
    }

    /// Resumes an execution that was started before, and runs it to its end.
    ///
    /// # Errors
    /// [`RunError::ExecutionDoesNotExist`] if it was never started, [`RunError::UnknownState`], or the store's error.
    pub async fn resume(&self, execution: &str) -> Result<End, RunError> {
        match self.ports.store.load(execution).await? {
            Some(position) => self.run_from(execution, position).await,
            None => Err(RunError::ExecutionDoesNotExist(execution.to_owned())),
        }
    }

    /// Aborts an execution, skipping every Catch, and returns its end. An execution that is over keeps the end it has.
    ///
    /// The caller drops the future of a running [`Interpreter::run`] first, because that would save over the end.
    ///
    /// # Errors
    /// [`RunError::ExecutionDoesNotExist`] if it was never started, or the store's error.
    pub async fn stop(&self, execution: &str, reason: Failure) -> Result<End, RunError> {
        let position = self.ports.store.load(execution).await?;
        let mut position = position.ok_or_else(|| RunError::ExecutionDoesNotExist(execution.to_owned()))?;
        let end = match position.progress {
            Progress::Ended(end) => return Ok(end),
            Progress::In(_) => End::Aborted(reason.truncated()),
        };
        position.progress = Progress::Ended(end.clone());
        self.ports.store.save(execution, &position).await?;
        Ok(end)
    }

    async fn run_from(&self, execution: &str, mut position: Position) -> Result<End, RunError> {
        loop {
            let entry = match &position.progress {
                Progress::Ended(end) => return Ok(end.clone()),
                Progress::In(entry) => entry,
            };
            let outcome = self.run_state(execution, &position, entry).await?;
            let from = entry.state.clone();
            position.progress = match outcome {
                Outcome::Next { state, output } => {
                    tracing::debug!(execution, from, to = state, "transition");
                    Progress::In(self.enter(&state, output))
                }
                Outcome::Again(entry) => {
                    tracing::debug!(execution, from, retry_at = ?entry.retry_at, "retry");
                    Progress::In(entry)
                }
                Outcome::End(end) => {
                    // The output and the cause belong to the workflow and may hold secrets, so they are not logged.
                    tracing::debug!(execution, from, "end");
                    Progress::Ended(end)
                }
            };
            self.ports.store.save(execution, &position).await?;
        }
    }

    /// The entry into a state that is about to run.
    fn enter(&self, state: &str, input: Value) -> StateEntry {
        let task = self.machine.state(state).and_then(State::task);
        StateEntry {
            state: state.to_owned(),
            input,
            entered_at: self.ports.time.now(),
            retries: Vec::new(),
            retry_at: None,
            token: task.and_then(|task| self.ports.new_token(task)),
        }
    }

    async fn run_state(&self, execution: &str, position: &Position, entry: &StateEntry) -> Result<Outcome, RunError> {
        let unknown = || RunError::UnknownState { execution: execution.to_owned(), state: entry.state.clone() };
        let timeout = self.machine.timeout();
        let state_run = StateRun {
            ports: &self.ports,
            state: self.machine.state(&entry.state).ok_or_else(unknown)?,
            entry,
            context: Context {
                machine: &self.name,
                execution,
                execution_input: &position.input,
                started_at: position.started_at,
                state: &entry.state,
                entered_at: entry.entered_at,
                retry_count: entry.retry_count(),
                token: entry.token.as_deref(),
            },
            execution_deadline: timeout.map_or(Timestamp::MAX, |timeout| later(position.started_at, timeout)),
        };
        Ok(state_run.run().await?)
    }
}

/// Accepts the Step Functions names that are safe everywhere, also as file names.
fn check_name(execution: &str) -> Result<(), RunError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=80).contains(&execution.len()) && execution.bytes().all(plain) {
        Ok(())
    } else {
        Err(RunError::InvalidName(execution.to_owned()))
    }
}
