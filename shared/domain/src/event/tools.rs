//! Tool calls and what they do to the workspace.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Attempt, BlobRef, CallId, Digest256, Payload, Todo, TurnNumber};

/// The model wants to use a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolCall {
    /// The turn.
    pub turn: TurnNumber,
    /// The call.
    pub call: CallId,
    /// The tool.
    pub tool: String,
    /// The call in a line, as its tool tells it; none for a call that cannot be understood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its input for viewers: redacted, long texts cut.
    pub input: Value,
}

/// A tool call is about to have effects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolStarted {
    /// The turn.
    pub turn: TurnNumber,
    /// The call.
    pub call: CallId,
    /// The invocation of execute-tool that starts it.
    pub attempt: Attempt,
    /// The sandbox it runs in.
    pub sandbox: crate::SandboxId,
}

/// A tool call's result, as the model reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolResult {
    /// The turn.
    pub turn: TurnNumber,
    /// The call.
    pub call: CallId,
    /// The tool.
    pub tool: String,
    /// What the tool does, as clients show it.
    #[serde(default)]
    pub tool_kind: ToolKind,
    /// What the model reads: cut and redacted.
    pub output: Payload,
    /// How it went.
    pub outcome: ToolOutcome,
    /// How long it took.
    pub duration_ms: u64,
    /// Exit code of a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The rest of the view that clients know: `filepath`, `command`, `old_str`, `new_str`.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub view: Value,
    /// When the call was a check of the project (tests, linter): whether it passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
}

/// What a tool does, in the words that clients know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolKind {
    /// It runs shell commands.
    Bash,
    /// It shows a file.
    Read,
    /// It writes a whole file.
    Write,
    /// It changes a part of a file.
    Edit,
    /// It looks for files or for lines in them.
    Search,
    /// None of these.
    #[default]
    Other,
}

impl ToolResult {
    /// The result of a call that is answered without being run: the user answers it, or it must not run.
    pub fn without_run(turn: TurnNumber, call: CallId, tool: String, outcome: ToolOutcome, output: &str) -> Self {
        Self {
            turn,
            call,
            tool,
            tool_kind: ToolKind::Other,
            output: output.into(),
            outcome,
            duration_ms: 0,
            exit_code: None,
            view: Value::Null,
            check: None,
        }
    }
}

/// How a tool call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolOutcome {
    /// It did what it should.
    Ok,
    /// It failed; the output says how.
    Failed,
    /// It was interrupted and it is not known how far it came.
    CutOff,
}

/// A check of the project that the model ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// The command, in a line.
    pub command: String,
    /// Whether it passed.
    pub passed: bool,
}

/// The model's to-do list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TodoUpdated {
    /// The whole list.
    pub items: Vec<Todo>,
}

/// A file of the workspace changed since the last checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileChanged {
    /// Its path.
    pub path: String,
    /// How it differs from the base commit now.
    pub change: FileChangeKind,
    /// Bytes it has now.
    pub bytes: u64,
}

/// How a file differs from the base commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileChangeKind {
    /// It has another content or mode, or is new.
    Written,
    /// It is gone.
    Deleted,
    /// It is as in the base commit again.
    Restored,
}

/// The difference between workspace and base commit was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceCheckpoint {
    /// The turn after which it was taken.
    pub turn: TurnNumber,
    /// Where it is kept.
    pub blob: BlobRef,
    /// The digest of the difference, to tell whether there is anything new.
    pub digest: Digest256,
    /// How many files differ.
    pub files: u32,
}
