use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    End, ExecutionStore, Failure, Place, Position, Random, State, StateEntry, StateMachine, StoreError, Tasks, Time,
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

/// The execution could not be run on; its position is as it was last saved.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("the name {0:?} is not 1 to 80 letters, digits, '-' and '_'")]
    InvalidName(String),
    #[error("the execution {0:?} exists and has another input")]
    ExecutionAlreadyExists(String),
    #[error("there is no execution {0:?}")]
    ExecutionDoesNotExist(String),
    #[error("the execution {execution:?} stands in the state {state:?}, which the definition does not have")]
    UnknownState { execution: String, state: String },
    #[error("the journal failed")]
    ExecutionStore(#[from] StoreError),
}

impl Interpreter {
    /// `name` is the state machine's name, for the context object.
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

    /// The definition.
    pub fn machine(&self) -> &StateMachine {
        &self.machine
    }

    /// Starts an execution and runs it to its end. One that exists with the same input is gone on with, and one that is
    /// over answers its end again. Dropping the future leaves the execution where it stands.
    ///
    /// # Errors
    /// [`RunError::ExecutionAlreadyExists`] for another input; otherwise the journal's.
    pub async fn run(&self, execution: &str, input: Value) -> Result<End, RunError> {
        check_name(execution)?;
        match self.ports.store.load(execution).await? {
            Some(position) if position.input == input => self.go_on(execution, position).await,
            Some(_) => Err(RunError::ExecutionAlreadyExists(execution.to_owned())),
            None => {
                let started_at = self.ports.time.now();
                let place = match within_limit(input.clone(), "the execution's input") {
                    Ok(input) => Place::In(self.enter(self.machine.start_at(), input)),
                    Err(failure) => Place::Ended(End::Failed(failure)),
                };
                let position = Position { input, started_at, place };
                self.ports.store.save(execution, &position).await?;
                self.go_on(execution, position).await
            }
        }
    }

    /// Goes on with an execution that was started before.
    ///
    /// # Errors
    /// [`RunError::ExecutionDoesNotExist`] when it was not; otherwise the journal's.
    pub async fn resume(&self, execution: &str) -> Result<End, RunError> {
        match self.ports.store.load(execution).await? {
            Some(position) => self.go_on(execution, position).await,
            None => Err(RunError::ExecutionDoesNotExist(execution.to_owned())),
        }
    }

    /// Ends an execution from outside, skipping every Catch. Its future, if one runs, is dropped first by the caller.
    /// An execution that is over keeps its end, which is the answer.
    ///
    /// # Errors
    /// [`RunError::ExecutionDoesNotExist`]; otherwise the journal's.
    pub async fn stop(&self, execution: &str, reason: Failure) -> Result<End, RunError> {
        let position = self.ports.store.load(execution).await?;
        let mut position = position.ok_or_else(|| RunError::ExecutionDoesNotExist(execution.to_owned()))?;
        let end = match position.place {
            Place::Ended(end) => return Ok(end),
            Place::In(_) => End::Aborted(reason.bounded()),
        };
        position.place = Place::Ended(end.clone());
        self.ports.store.save(execution, &position).await?;
        Ok(end)
    }

    async fn go_on(&self, execution: &str, mut position: Position) -> Result<End, RunError> {
        loop {
            let entry = match &position.place {
                Place::Ended(end) => return Ok(end.clone()),
                Place::In(entry) => entry,
            };
            let outcome = self.entry(execution, &position, entry).await?;
            let from = entry.state.clone();
            position.place = match outcome {
                Outcome::Go { to, output } => {
                    tracing::debug!(execution, from, to, "transition");
                    Place::In(self.enter(&to, output))
                }
                Outcome::Again(entry) => {
                    tracing::debug!(execution, from, retry_at = ?entry.retry_at, "retry");
                    Place::In(entry)
                }
                Outcome::End(end) => {
                    // Without the output or the cause: they are not ours to show.
                    tracing::debug!(execution, from, "end");
                    Place::Ended(end)
                }
            };
            self.ports.store.save(execution, &position).await?;
        }
    }

    /// A visit that is about to begin.
    fn enter(&self, state: &str, input: Value) -> StateEntry {
        let task = self.machine.state(state).and_then(State::task);
        StateEntry {
            state: state.to_owned(),
            input,
            entered_at: self.ports.time.now(),
            retries: Vec::new(),
            retry_at: None,
            token: task.and_then(|task| self.ports.token(task)),
        }
    }

    async fn entry(&self, execution: &str, position: &Position, entry: &StateEntry) -> Result<Outcome, RunError> {
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
            ends_at: timeout.map_or(Timestamp::MAX, |timeout| later(position.started_at, timeout)),
        };
        Ok(state_run.run().await?)
    }
}

/// The part of Step Functions' names that is safe everywhere, file names included.
fn check_name(execution: &str) -> Result<(), RunError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=80).contains(&execution.len()) && execution.bytes().all(plain) {
        Ok(())
    } else {
        Err(RunError::InvalidName(execution.to_owned()))
    }
}
