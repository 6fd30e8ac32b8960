//! The tools of the model, one file each.

mod ask_user;
mod bash;
mod edit;
mod glob;
mod grep;
mod record_decision;
mod update_todos;

use std::time::Duration;

use domain::{Decision, Todo, ToolFailure, ToolOutcome};
use serde_json::Value;

pub(crate) use ask_user::{AskUser, MAX_QUESTION_CHARACTERS};
pub(crate) use bash::{Bash, Pipes};
pub(crate) use edit::Edit;
pub(crate) use glob::Glob;
pub(crate) use grep::Grep;
pub(crate) use record_decision::answer as record_decision;
pub(crate) use update_todos::UpdateTodos;

/// Limits on time and output of tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolLimits {
    /// The longest a command of the model may take.
    pub command: Duration,
    /// The longest a call of the toolbox may take.
    pub toolbox: Duration,
    /// The longest output that the model reads, in characters.
    pub output_characters: usize,
    /// How much of a longer output is kept, in bytes.
    pub kept_bytes: u64,
}

impl Default for ToolLimits {
    fn default() -> Self {
        Self {
            command: Duration::from_secs(300),
            toolbox: Duration::from_secs(120),
            output_characters: 30_000,
            kept_bytes: 10 * 1024 * 1024,
        }
    }
}

/// A tool call whose input was understood.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tool {
    Bash(Bash),
    Edit(Edit),
    Glob(Glob),
    Grep(Grep),
    UpdateTodos(UpdateTodos),
    AskUser(AskUser),
    RecordDecision(Decision),
}

impl Tool {
    /// Understands what the model asks for.
    pub(crate) fn parse(name: &str, input: &Value) -> Result<Self, ToolFailure> {
        fn read<T: serde::de::DeserializeOwned>(name: &str, input: &Value) -> Result<T, ToolFailure> {
            T::deserialize(input)
                .map_err(|error| ToolFailure(format!("the input of {name} is not understood: {error}")))
        }
        match name {
            "bash" => read(name, input).map(Self::Bash),
            "str_replace_based_edit_tool" => read(name, input).map(Self::Edit),
            "glob" => read(name, input).map(Self::Glob),
            "grep" => read(name, input).map(Self::Grep),
            "update_todos" => read(name, input).map(Self::UpdateTodos),
            "ask_user" => read(name, input).map(Self::AskUser),
            "record_decision" => read(name, input).map(Self::RecordDecision),
            other => Err(ToolFailure(format!(
                "there is no tool {other:?}; there are bash, str_replace_based_edit_tool, glob, grep, update_todos, \
                 record_decision and ask_user"
            ))),
        }
    }

    /// Whether the call can change the workspace. Such calls run alone and in order.
    pub(crate) fn writes(&self) -> bool {
        match self {
            Self::Bash(_) => true,
            Self::Edit(edit) => edit.writes(),
            Self::Glob(_) | Self::Grep(_) | Self::UpdateTodos(_) | Self::AskUser(_) | Self::RecordDecision(_) => false,
        }
    }

    /// The file that the call names.
    pub(crate) fn path(&self) -> Option<&str> {
        match self {
            Self::Edit(edit) => Some(edit.path()),
            Self::Bash(_)
            | Self::Glob(_)
            | Self::Grep(_)
            | Self::UpdateTodos(_)
            | Self::AskUser(_)
            | Self::RecordDecision(_) => None,
        }
    }

    /// The fields of the call that clients know.
    pub(crate) fn view(&self) -> Value {
        match self {
            Self::Bash(bash) => bash.view(),
            Self::Edit(edit) => edit.view(),
            Self::Glob(glob) => serde_json::json!({ "pattern": glob.pattern, "filepath": glob.path }),
            Self::Grep(grep) => serde_json::json!({ "pattern": grep.pattern, "filepath": grep.path }),
            Self::UpdateTodos(_) | Self::RecordDecision(_) => Value::Null,
            Self::AskUser(ask) => serde_json::json!({ "question": ask.question }),
        }
    }
}

/// What became of a tool call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    /// What the model reads; masked and cut.
    pub output: String,
    pub outcome: ToolOutcome,
    pub exit_code: Option<i32>,
    pub todos: Option<Vec<Todo>>,
    pub decision: Option<Decision>,
}

impl Answer {
    pub(crate) fn ok(output: impl Into<String>) -> Self {
        Self { output: output.into(), outcome: ToolOutcome::Ok, exit_code: None, todos: None, decision: None }
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
