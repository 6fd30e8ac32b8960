//! The trait of all tools, and the answer to a call.

use std::time::Duration;

use async_trait::async_trait;
use domain::{EventBody, ExecId, ToolKind, ToolOutcome};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::context::Context;
use crate::workspace::{Workspace, WorkspaceError};

use super::ToolLimits;

/// A tool of the model. The implementing type is the tool's input, so a value of it is one parsed call.
///
/// Only the file of a tool knows its name. Everything that the program has to know about a call is a method here.
#[async_trait]
pub(crate) trait Tool: Send + Sync {
    /// The name in the model's calls and in the log.
    fn name() -> &'static str
    where
        Self: Sized;

    /// The tool's entry in the `tools` of a request. Every change makes a new version of the prompts.
    fn schema() -> Value
    where
        Self: Sized;

    /// The JSON schema by which the input of a call is read: the one in the request, unless the tool is built into the service.
    fn input_schema() -> Value
    where
        Self: Sized,
    {
        Self::schema()["input_schema"].take()
    }

    /// Whether the call can change the workspace. Such a call runs alone, and a checkpoint follows it.
    fn writes(&self) -> bool {
        false
    }

    /// The file that the call names. The model is sent the instructions that apply to it.
    fn path(&self) -> Option<&str> {
        None
    }

    /// Whether the call waits for the user. Such a call runs after all others of its turn, and at most one in a turn.
    fn asks_user(&self) -> bool {
        false
    }

    fn display(&self) -> Display;

    /// Carries out the call, or joins it when an earlier attempt has started it.
    async fn run(&self, scope: &Scope<'_>) -> Result<Progress, WorkspaceError>;
}

/// How clients show a call.
pub(crate) struct Display {
    /// Decides the public event's `type`, which existing clients know.
    pub kind: ToolKind,
    /// One line, such as `Read src/main.rs`.
    pub title: String,
    /// Fields of the public event that existing clients know: `command`, `filepath`, `old_str`, `new_str`, `pattern`,
    /// `question`.
    pub fields: Value,
}

/// What a call needs to run.
pub(crate) struct Scope<'a> {
    pub context: &'a Context,
    pub workspace: &'a Workspace,
    pub limits: &'a ToolLimits,
    /// The exec id of the call's command. It is the same in every attempt, so that the command is started once.
    pub exec: ExecId,
    /// How long to wait for the command. One that takes longer continues to run, and the next attempt joins it.
    pub wait: Duration,
}

impl Scope<'_> {
    /// Redacts a text. A tool's answer is redacted before it is cut or stored, since a cut could leave half of a secret that
    /// no pattern recognizes.
    pub(crate) fn redacted(&self, text: &str) -> String {
        self.context.common.redactor.redact(text).into_owned()
    }
}

/// The state of a call after an attempt to run it.
pub(crate) enum Progress {
    Answered(Answer),
    /// The command still runs; the next attempt joins it.
    Running,
    /// The call is answered when the user has answered this question.
    Asks(String),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    /// The text that the model reads, redacted and cut.
    pub output: String,
    pub outcome: ToolOutcome,
    pub exit_code: Option<i32>,
    /// The path of the file that the call wrote by name.
    pub wrote: Option<String>,
    /// Further events that the call leads to. They precede its result in the log.
    pub events: Vec<EventBody>,
}

impl Answer {
    pub(crate) fn ok(output: impl Into<String>) -> Self {
        Self { output: output.into(), outcome: ToolOutcome::Ok, exit_code: None, wrote: None, events: Vec::new() }
    }

    pub(crate) fn failed(output: impl Into<String>) -> Self {
        Self { outcome: ToolOutcome::Failed, ..Self::ok(output) }
    }

    pub(crate) fn cut_off() -> Self {
        let output = "This call was cut off because its sandbox was lost. How much of it was carried out is unknown. The workspace \
                      is as it was after the last completed call. Check its state before you run the call again.";
        Self { outcome: ToolOutcome::CutOff, ..Self::ok(output) }
    }
}

impl From<Answer> for Progress {
    fn from(answer: Answer) -> Self {
        Self::Answered(answer)
    }
}

/// A line of the table of tools.
pub(crate) struct Entry {
    pub name: fn() -> &'static str,
    pub schema: fn() -> Value,
    pub input_schema: fn() -> Value,
    pub parse: fn(Value) -> Result<Box<dyn Tool>, serde_json::Error>,
}

impl Entry {
    pub(crate) const fn of<T: Tool + DeserializeOwned + 'static>() -> Self {
        let parse = |input| Ok(Box::new(T::deserialize::<Value>(input)?) as Box<dyn Tool>);
        Self { name: T::name, schema: T::schema, input_schema: T::input_schema, parse }
    }
}
