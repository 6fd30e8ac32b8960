use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    definition::Problem,
    path::{Path, Step, parse_steps, walk},
};

/// The fields of the context object that a definition may name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ContextField {
    ExecutionId,
    ExecutionName,
    ExecutionInput(Vec<Step>),
    ExecutionStartTime,
    StateName,
    StateEnteredTime,
    StateRetryCount,
    StateMachineId,
    StateMachineName,
    TaskToken,
}

impl ContextField {
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        let refused = || Problem::UnsupportedContextPath(text.to_owned());
        if let Some(within) = text.strip_prefix("$$.Execution.Input") {
            return parse_steps(within).map(Self::ExecutionInput).ok_or_else(refused);
        }
        match text {
            "$$.Execution.Id" => Ok(Self::ExecutionId),
            "$$.Execution.Name" => Ok(Self::ExecutionName),
            "$$.Execution.StartTime" => Ok(Self::ExecutionStartTime),
            "$$.State.Name" => Ok(Self::StateName),
            "$$.State.EnteredTime" => Ok(Self::StateEnteredTime),
            "$$.State.RetryCount" => Ok(Self::StateRetryCount),
            "$$.StateMachine.Id" => Ok(Self::StateMachineId),
            "$$.StateMachine.Name" => Ok(Self::StateMachineName),
            "$$.Task.Token" => Ok(Self::TaskToken),
            _ => Err(refused()),
        }
    }
}

/// What the context object says while a state is at work.
pub(crate) struct Context<'a> {
    pub(crate) machine: &'a str,
    pub(crate) execution: &'a str,
    pub(crate) execution_input: &'a Value,
    pub(crate) started_at: Timestamp,
    pub(crate) state: &'a str,
    pub(crate) entered_at: Timestamp,
    pub(crate) retry_count: u32,
    pub(crate) token: Option<&'a str>,
}

impl Context<'_> {
    /// What `path` names in `data` or in the context object.
    pub(crate) fn read(&self, path: &Path, data: &Value) -> Option<Value> {
        match path {
            Path::Data(reference) => reference.read(data).cloned(),
            Path::Context(field) => self.field(field),
        }
    }

    fn field(&self, field: &ContextField) -> Option<Value> {
        let (machine, execution) = (self.machine, self.execution);
        Some(match field {
            ContextField::ExecutionId => {
                json!(format!("arn:aws:states:local:000000000000:execution:{machine}:{execution}"))
            }
            ContextField::ExecutionName => json!(execution),
            ContextField::ExecutionInput(steps) => walk(steps, self.execution_input)?.clone(),
            ContextField::ExecutionStartTime => time(self.started_at),
            ContextField::StateName => json!(self.state),
            ContextField::StateEnteredTime => time(self.entered_at),
            ContextField::StateRetryCount => json!(self.retry_count),
            ContextField::StateMachineId => json!(format!("arn:aws:states:local:000000000000:stateMachine:{machine}")),
            ContextField::StateMachineName => json!(machine),
            ContextField::TaskToken => json!(self.token?),
        })
    }
}

/// Step Functions writes milliseconds, always three digits.
fn time(at: Timestamp) -> Value {
    Value::String(format!("{at:.3}"))
}
