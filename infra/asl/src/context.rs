use jiff::Timestamp;
use serde_json::{Value, json};

use crate::path::{ContextField, Path, walk};

/// The context object of one state run: what `$$` paths read.
pub(crate) struct Context<'a> {
    pub(crate) machine: &'a str,
    pub(crate) execution: &'a str,
    pub(crate) execution_input: &'a Value,
    pub(crate) started_at: Timestamp,
    pub(crate) state: &'a str,
    pub(crate) entered_at: Timestamp,
    pub(crate) retry_count: u32,
    /// The task token; only in a task that waits for one.
    pub(crate) token: Option<&'a str>,
}

impl Context<'_> {
    /// The value that `path` names in `data` or in the context object, if there is one.
    pub(crate) fn read(&self, path: &Path, data: &Value) -> Option<Value> {
        match path {
            Path::Data(reference) => reference.read(data).cloned(),
            Path::Context(path) => self.field(&path.field),
        }
    }

    fn field(&self, field: &ContextField) -> Option<Value> {
        let (machine, execution) = (self.machine, self.execution);
        Some(match field {
            ContextField::ExecutionId => {
                json!(format!("arn:aws:states:local:000000000000:execution:{machine}:{execution}"))
            }
            ContextField::ExecutionName => json!(execution),
            ContextField::ExecutionInput(segments) => walk(segments, self.execution_input)?.clone(),
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

/// Step Functions writes times with exactly three digits of milliseconds.
fn time(at: Timestamp) -> Value {
    Value::String(format!("{at:.3}"))
}
