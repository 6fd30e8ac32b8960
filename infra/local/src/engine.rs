//! The workflow engine of the one-machine world: the same definition that is deployed, run by our interpreter, with the
//! steps called in the process.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use agent::{Common, StepHandler, invoke};
use asl::{End, Failure, Interpreter, RunError, StateMachine, TaskCall, Tasks, Time};
use async_trait::async_trait;
use domain::ports::{ExecutionState, Workflows};
use domain::{
    Dependency, ExecutionName, FUNCTION_TIMEOUT, SessionId, Step, StepInput, StepOutput, TASK_MARGIN, TaskToken,
    Unavailable,
};
use futures_util::FutureExt as _;
use futures_util::future::{AbortHandle, Aborted, abortable};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::clock::random;
use crate::lock::SessionLocks;
use crate::store::Store;

const DEFINITION: &str = include_str!("../../statemachine/session.asl.json");

/// The placeholder that names a step's function in the definition.
fn function_name(step: Step) -> String {
    format!("{}Function", step.state())
}

/// The definition does not parse, or names a function that no step has.
#[derive(Debug, thiserror::Error)]
#[error("the state machine cannot be run: {0}")]
pub struct InvalidDefinition(String);

/// Runs executions. [`Workflows::start`] only notes that a session is due; [`Engine::run_execution`] runs an execution in the
/// calling task, so that only the holder of the session's lock runs it.
pub struct Engine {
    store: Store,
    locks: SessionLocks,
    running: Mutex<HashMap<String, AbortHandle>>,
    /// Sessions that this process has started and that have no driver yet.
    due: watch::Sender<Vec<SessionId>>,
}

impl Engine {
    pub fn new(store: Store, locks: SessionLocks) -> Self {
        Self { store, locks, running: Mutex::default(), due: watch::Sender::default() }
    }

    /// Builds an interpreter of the definition whose tasks are carried out by `tasks`.
    pub fn interpreter(&self, tasks: Arc<dyn Tasks>, time: Arc<dyn Time>) -> Result<Interpreter, InvalidDefinition> {
        let machine = StateMachine::parse(DEFINITION, |name| {
            Step::ALL.into_iter().find(|step| function_name(*step) == name).map(|step| step.name().to_owned())
        })
        .map_err(|errors| {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            InvalidDefinition(errors.join("; "))
        })?;
        let store = Arc::new(self.store.clone());
        Ok(Interpreter::new("session", machine, tasks, store, time, Arc::new(random)))
    }

    /// Changes whenever a session becomes due.
    pub(crate) fn watch_due(&self) -> watch::Receiver<Vec<SessionId>> {
        self.due.subscribe()
    }

    /// Takes the sessions that became due since the last call.
    pub(crate) fn take_due(&self) -> Vec<SessionId> {
        let mut taken = Vec::new();
        self.due.send_if_modified(|due| {
            taken = std::mem::take(due);
            false
        });
        taken
    }

    /// Runs an execution from its stored position to its end. Dropping the future stops it; its position stays stored.
    ///
    /// It runs in the calling task, not in one of its own: such a task would still run for a moment after it was aborted, while
    /// the next holder of the session's lock runs the same execution.
    pub async fn run_execution(
        &self,
        interpreter: Arc<Interpreter>,
        execution: &ExecutionName,
    ) -> Result<End, RunError> {
        let name = execution.to_string();
        let running = AssertUnwindSafe(interpreter.run(&name, input(execution))).catch_unwind();
        let (running, abort) = abortable(Box::pin(running));
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), abort);
        let aborted = |cause| Ok(End::Aborted(Failure::new("States.Aborted", cause)));
        let ended = match running.await {
            Ok(Ok(end)) => end,
            Ok(Err(_)) => aborted("the execution panicked"),
            Err(Aborted) => aborted("the execution was stopped"),
        };
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
        ended
    }
}

fn input(execution: &ExecutionName) -> Value {
    json!({ "sessionId": execution.session, "run": execution.run })
}

#[async_trait]
impl Workflows for Engine {
    async fn start(&self, execution: &ExecutionName) -> Result<(), Unavailable> {
        // The session's log says which run is due, and its driver runs it. Without a dispatcher nothing reads the list: the
        // process that started the session drives it.
        if self.due.receiver_count() > 0 {
            self.due.send_modify(|due| due.push(execution.session.clone()));
        }
        Ok(())
    }

    async fn complete(&self, token: &TaskToken, answer: &StepOutput) -> Result<bool, Unavailable> {
        self.store.complete(token, answer)
    }

    async fn stop(&self, execution: &ExecutionName, cause: &str) -> Result<(), Unavailable> {
        let name = execution.to_string();
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
        if let Some(running) = running {
            running.abort();
        }
        self.store.abort_execution(&name, cause)
    }

    async fn state(&self, execution: &ExecutionName) -> Result<ExecutionState, Unavailable> {
        self.store.execution_state(&execution.to_string())
    }

    async fn forget(&self, session: &SessionId) -> Result<(), Unavailable> {
        let unavailable = |cause: String| Unavailable::new(Dependency::Workflows, cause);
        let lock = self.locks.acquire_to_delete(session).await.map_err(|error| unavailable(error.to_string()))?;
        let Some(lock) = lock else { return Err(unavailable(format!("a process still drives session {session}"))) };
        self.store.forget_executions(session)?;
        self.locks.remove(session, lock).map_err(|error| unavailable(error.to_string()))
    }
}

/// The tasks of the definition: the steps, called in this process.
#[derive(Clone)]
pub struct StepTasks {
    pub common: Common,
    /// One handler per step.
    pub handlers: Arc<Vec<Box<dyn StepHandler>>>,
}

#[async_trait]
impl Tasks for StepTasks {
    async fn invoke(&self, call: TaskCall) -> Result<Value, Failure> {
        let handler = self.handlers.iter().find(|handler| handler.step().name() == call.resource);
        let handler = handler.ok_or_else(|| terminal(format!("there is no step {}", call.resource)))?;
        let input: StepInput = serde_json::from_value(call.input)
            .map_err(|error| terminal(format!("the input of {} cannot be read: {error}", call.resource)))?;
        // A step has the time that its function would have; the task's time-out is longer, so that the step answers first.
        // The time-out of a task with a token is that of the user's answer, not of the step.
        let time_limit = match call.token {
            None => call.timeout.saturating_sub(TASK_MARGIN),
            Some(_) => FUNCTION_TIMEOUT,
        };
        match invoke(&self.common, handler.as_ref(), input, time_limit).await {
            Ok(output) => serde_json::to_value(output).map_err(|error| terminal(error.to_string())),
            // In the form that a function's failure has in Step Functions.
            Err(error) => {
                let cause = json!({ "errorType": error.error_type(), "errorMessage": domain::error_chain(&error) });
                Err(Failure::new(error.error_type(), cause.to_string()))
            }
        }
    }
}

/// A defect of the definition or of ours, which no retry mends.
fn terminal(cause: String) -> Failure {
    Failure::new("Terminal", cause)
}
