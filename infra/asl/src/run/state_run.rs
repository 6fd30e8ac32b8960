use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::Value;

use super::{Attempt, Recovery, choose, flow, recover};
use crate::{
    End, ExecutionStore, Failure, Random, State, StateEntry, StoreError, Task, TaskCall, Tasks, Time,
    context::Context,
    definition::{Body, TaskTimeout, Transition, WaitUntil},
    size::within_limit,
};

pub(crate) struct Ports {
    pub(crate) tasks: Arc<dyn Tasks>,
    pub(crate) store: Arc<dyn ExecutionStore>,
    pub(crate) time: Arc<dyn Time>,
    pub(crate) random: Arc<dyn Random>,
}

impl Ports {
    /// An unguessable token of 256 bits for a callback task; none for other tasks.
    pub(crate) fn new_token(&self, task: &Task) -> Option<String> {
        let part = |_| format!("{:016x}", self.random.next());
        task.is_callback().then(|| (0..4).map(part).collect())
    }
}

/// One run of a state, with everything that it may use.
pub(crate) struct StateRun<'a> {
    pub(crate) ports: &'a Ports,
    pub(crate) state: &'a State,
    pub(crate) entry: &'a StateEntry,
    pub(crate) context: Context<'a>,
    /// When the state machine's own time-out ends the execution.
    pub(crate) execution_deadline: Timestamp,
}

/// What follows a state run.
pub(crate) enum Outcome {
    Next {
        state: String,
        output: Value,
    },
    /// The same state runs again from this entry: a retry, or an entry that lacked a token.
    Again(StateEntry),
    End(End),
}

/// Why a state run ended early.
enum Stop {
    Failed(Failure),
    /// Neither Retry nor Catch applies to it.
    ExecutionTimedOut,
    Store(StoreError),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl StateRun<'_> {
    /// # Errors
    /// Only the store's: every other failure is an outcome.
    pub(crate) async fn run(self) -> Result<Outcome, StoreError> {
        let outcome = match &self.state.body {
            Body::Task { task, next } => self.task(task, next).await,
            Body::Wait { until, next } => self.wait(until, next).await,
            Body::Choice(_) | Body::Pass { .. } | Body::Succeed | Body::Fail { .. } => {
                self.check_time().and_then(|()| Ok(self.run_immediate()?))
            }
        };
        match outcome {
            Ok(outcome) => Ok(outcome),
            Err(Stop::Failed(failure)) => Ok(Outcome::End(End::Failed(failure))),
            Err(Stop::ExecutionTimedOut) => Ok(Outcome::End(End::Failed(Failure::timeout(
                "the execution ran longer than the state machine's TimeoutSeconds",
            )))),
            Err(Stop::Store(error)) => Err(error),
        }
    }

    /// Runs a state that waits for nothing.
    fn run_immediate(&self) -> Result<Outcome, Failure> {
        let raw = &self.entry.input;
        let input = flow::input(self.state, raw, &self.context)?;
        match &self.state.body {
            Body::Choice(choice) => {
                let state = choose(choice, &input, &self.context)?.to_owned();
                let output = flow::output(self.state, &input, &self.context)?;
                Ok(Outcome::Next { state, output })
            }
            Body::Pass { result, parameters, result_path, next } => {
                let result = match result {
                    Some(result) => result.clone(),
                    None => flow::fill(parameters.as_ref(), input, &self.context)?,
                };
                self.leave(next, &flow::combine(result_path.as_ref(), raw, result)?)
            }
            Body::Fail { error, cause } => {
                let failure = flow::fail(error.as_ref(), cause.as_ref(), &input, &self.context)?;
                Ok(Outcome::End(End::Failed(failure)))
            }
            Body::Succeed | Body::Task { .. } | Body::Wait { .. } => self.leave(&Transition::End, &input),
        }
    }

    async fn wait(&self, until: &WaitUntil, next: &Transition) -> Result<Outcome, Stop> {
        let input = flow::input(self.state, &self.entry.input, &self.context)?;
        let until = flow::wait_until(until, &input, self.entry.entered_at)?;
        self.sleep_until(until).await?;
        Ok(self.leave(next, &input)?)
    }

    async fn task(&self, task: &Task, next: &Transition) -> Result<Outcome, Stop> {
        if let Some(retry_at) = self.entry.retry_at {
            self.sleep_until(retry_at).await?;
        }
        self.check_time()?;
        if task.is_callback() && self.entry.token.is_none() {
            // The position was saved under an earlier definition, in which this task was not a callback. The new token is
            // saved before the task can learn it.
            let token = self.ports.new_token(task);
            return Ok(Outcome::Again(StateEntry { token, ..self.entry.clone() }));
        }
        match self.attempt(task, next).await {
            Err(Stop::Failed(failure)) => Ok(self.recover(task, failure)?),
            outcome => outcome,
        }
    }

    async fn attempt(&self, task: &Task, next: &Transition) -> Result<Outcome, Stop> {
        let (state, entry, context) = (self.state, self.entry, &self.context);
        let input = flow::input(state, &entry.input, context)?;
        let timeout = match &task.timeout {
            TaskTimeout::Fixed(timeout) => *timeout,
            TaskTimeout::Read(path) => Duration::from_secs(flow::seconds(path, &input, 1)?),
        };
        let input = flow::fill(task.parameters.as_ref(), input, context)?;
        let input = within_limit(input, &format!("the input of task {:?}", state.name()))?;
        // A callback's time-out keeps running while no process runs the execution. A plain task gets its whole time-out
        // again, because its work ended with the process.
        let begun = if task.is_callback() { entry.attempted_at() } else { self.ports.time.now() };
        let deadline = flow::later(begun, timeout).min(self.execution_deadline);
        let remaining = deadline.duration_since(self.ports.time.now());
        let remaining = Duration::try_from(remaining).unwrap_or_default();
        let attempt = Attempt {
            tasks: &*self.ports.tasks,
            store: &*self.ports.store,
            time: &*self.ports.time,
            call: TaskCall {
                resource: task.target.clone(),
                input,
                timeout: remaining,
                token: entry.token.clone(),
                execution: context.execution.to_owned(),
                state: state.name().to_owned(),
                retry_count: entry.retry_count(),
            },
            deadline,
        };
        let result = match attempt.run().await.map_err(Stop::Store)? {
            Some(result) => result.map_err(Failure::truncated)?,
            None => {
                // The deadline was the earlier of the task's and the execution's; the latter skips Retry and Catch.
                self.check_time()?;
                let name = state.name();
                return Err(Failure::timeout(format!("task {name:?} took longer than {timeout:?}")).into());
            }
        };
        let result = within_limit(result, &format!("the result of task {:?}", state.name()))?;
        let result = flow::fill(task.result_selector.as_ref(), result, context)?;
        let combined = flow::combine(task.result_path.as_ref(), &entry.input, result)?;
        Ok(self.leave(next, &combined)?)
    }

    fn recover(&self, task: &Task, failure: Failure) -> Result<Outcome, Failure> {
        match recover(task, &failure, &self.entry.retries, &*self.ports.random) {
            Recovery::Retry { delay, retries } => Ok(Outcome::Again(StateEntry {
                retries,
                retry_at: Some(flow::later(self.ports.time.now(), delay)),
                token: self.ports.new_token(task),
                ..self.entry.clone()
            })),
            Recovery::Catch(catcher) => {
                let path = catcher.result_path.as_ref();
                let output = flow::combine(path, &self.entry.input, failure.as_output())?;
                let output = within_limit(output, &format!("the output of state {:?}", self.state.name()))?;
                Ok(Outcome::Next { state: catcher.next().to_owned(), output })
            }
            Recovery::None => Err(failure),
        }
    }

    /// Applies `OutputPath` and leaves the state.
    fn leave(&self, next: &Transition, data: &Value) -> Result<Outcome, Failure> {
        let output = flow::output(self.state, data, &self.context)?;
        Ok(match next {
            Transition::Next(state) => Outcome::Next { state: state.clone(), output },
            Transition::End => Outcome::End(End::Succeeded { output }),
        })
    }

    /// Sleeps until `at`, but no longer than to the execution's deadline.
    async fn sleep_until(&self, at: Timestamp) -> Result<(), Stop> {
        self.ports.time.sleep_until(at.min(self.execution_deadline)).await;
        self.check_time()
    }

    /// # Errors
    /// [`Stop::ExecutionTimedOut`] once the execution's deadline has passed.
    fn check_time(&self) -> Result<(), Stop> {
        if self.ports.time.now() < self.execution_deadline { Ok(()) } else { Err(Stop::ExecutionTimedOut) }
    }
}
