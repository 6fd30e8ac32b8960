//! What every tool says of itself, and what comes of a call.

use std::time::Duration;

use async_trait::async_trait;
use domain::{Check, EventBody, ExecId, ToolKind, ToolOutcome};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::context::Context;
use crate::workspace::{Workspace, WorkspaceError};

use super::ToolLimits;

/// A tool of the model. The type that implements it is the tool's input, so a value of it is one call that was understood.
///
/// Nothing outside the file that implements it knows a tool by its name: what the program has to know of a call it asks here.
#[async_trait]
pub(crate) trait Tool: Send + Sync {
    /// How the model, and so the log, calls it.
    fn name() -> &'static str
    where
        Self: Sized;

    /// What the model is told of it: an entry of a request's `tools`. Every change makes a new version of the prompts.
    fn schema() -> Value
    where
        Self: Sized;

    /// Whether the call can change the workspace. Such calls run alone and in order, and a checkpoint follows each.
    fn writes(&self) -> bool {
        false
    }

    /// The file that the call names. Instructions of its directories are handed to the model.
    fn path(&self) -> Option<&str> {
        None
    }

    /// Whether the call waits for the user. Such calls run after all others of their turn, one a turn.
    fn asks_user(&self) -> bool {
        false
    }

    /// How clients show the call.
    fn display(&self) -> Display;

    /// Carries the call out, or joins it where an earlier attempt has started it.
    async fn run(&self, scope: &Scope<'_>) -> Result<Progress, WorkspaceError>;
}

/// How clients show a call.
pub(crate) struct Display {
    /// What the tool does, in the words that clients know.
    pub kind: ToolKind,
    /// The call in a line: `Read src/main.rs`.
    pub title: String,
    /// The fields that clients know: `command`, `filepath`, `old_str`, `new_str`, `pattern`, `question`.
    pub fields: Value,
}

/// What a call is carried out with.
pub(crate) struct Scope<'a> {
    pub context: &'a Context,
    pub workspace: &'a Workspace,
    pub limits: &'a ToolLimits,
    /// The name of the call's command in the sandbox. Every attempt has the same, so that none starts it twice.
    pub exec: ExecId,
    /// How long to wait for its end. A command that takes longer goes on, and the next attempt joins it.
    pub wait: Duration,
}

impl Scope<'_> {
    /// A text without secrets. What a tool answers goes through here before it is cut or stored.
    pub(crate) fn redacted(&self, text: &str) -> String {
        self.context.common.redactor.redact(text).into_owned()
    }
}

/// How far a call has come.
pub(crate) enum Progress {
    Answered(Answer),
    /// Its command still runs; the next attempt joins it.
    Running,
    /// It answers when the user has answered this question.
    Asks(String),
}

/// The answer to a call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    /// What the model reads: redacted and cut.
    pub output: String,
    pub outcome: ToolOutcome,
    pub exit_code: Option<i32>,
    /// Whether the project's checks passed, when the call was one of them.
    pub check: Option<Check>,
    /// Events that the call leads to besides its result. They stand before it in the log.
    pub events: Vec<EventBody>,
}

impl Answer {
    pub(crate) fn ok(output: impl Into<String>) -> Self {
        Self { output: output.into(), outcome: ToolOutcome::Ok, exit_code: None, check: None, events: Vec::new() }
    }

    pub(crate) fn failed(output: impl Into<String>) -> Self {
        Self { outcome: ToolOutcome::Failed, ..Self::ok(output) }
    }

    pub(crate) fn cut_off() -> Self {
        let output = "This call was cut off: the sandbox it ran in went away, and how far it came is not known. The \
                      workspace is as it was after the last completed call. Look at its state before you run it again.";
        Self { outcome: ToolOutcome::CutOff, ..Self::ok(output) }
    }
}

impl From<Answer> for Progress {
    fn from(answer: Answer) -> Self {
        Self::Answered(answer)
    }
}

/// A tool in the table: its name, its schema, and how its input is read.
pub(crate) struct Entry {
    pub name: fn() -> &'static str,
    pub schema: fn() -> Value,
    pub read: fn(&Value) -> Result<Box<dyn Tool>, serde_json::Error>,
}

impl Entry {
    pub(crate) const fn of<T: Tool + DeserializeOwned + 'static>() -> Self {
        Self { name: T::name, schema: T::schema, read: |input| Ok(Box::new(T::deserialize(input)?)) }
    }
}
