//! Tool calls and what they do to the workspace.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Attempt, BlobRef, CallId, Digest256, Payload, Todo, TurnNumber};

/// The model called a tool. Nothing has been run yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolCall {
    pub turn: TurnNumber,
    pub call: CallId,
    pub tool: String,
    /// The call in a line, worded by its tool; none when the tool cannot read the input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The input for viewers: redacted, long texts cut. What is run is read from the stored reply.
    pub input: Value,
}

/// A tool call is about to have effects: the intent. If its sandbox is lost after this, the call is reported to the model as
/// cut off and never repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolStarted {
    pub turn: TurnNumber,
    pub call: CallId,
    /// The invocation of `execute-tool` that starts it.
    pub attempt: Attempt,
    pub sandbox: crate::SandboxId,
}

/// A tool call's result, as the model reads it. The first result of a call is the only one that counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolResult {
    pub turn: TurnNumber,
    pub call: CallId,
    pub tool: String,
    #[serde(default)]
    pub tool_kind: ToolKind,
    /// What the model reads. Cut and redacted before it is stored, because what was sent to the model is never edited.
    pub output: Payload,
    pub outcome: ToolOutcome,
    pub duration_ms: u64,
    /// Of a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Further fields of the public event that the tool fills: `filepath`, `command`, `old_str`, `new_str`.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub view: Value,
    /// The path of the file that it wrote by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrote: Option<String>,
}

/// What a tool does. Each kind is shown under the name that clients of the first Tiny Backspace know (`Tool: Bash`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolKind {
    /// Runs shell commands.
    Bash,
    /// Shows a file.
    Read,
    /// Writes a whole file.
    Write,
    /// Changes a part of a file.
    Edit,
    /// Searches for files, or for lines in them.
    Search,
    #[default]
    Other,
}

impl ToolResult {
    /// The result of a call that is not run: a person answers it, or it is refused.
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
            wrote: None,
        }
    }
}

/// How a tool call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolOutcome {
    Ok,
    /// The output says how.
    Failed,
    /// Interrupted; how far it came is unknown, so it is not repeated.
    CutOff,
}

/// The model changed its to-do list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TodoUpdated {
    /// The whole new list.
    pub items: Vec<Todo>,
}

/// A file of the workspace changed since the last checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileChanged {
    pub path: String,
    pub change: FileChangeKind,
    /// Its size now.
    pub bytes: u64,
}

/// How a file differs from the base commit now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileChangeKind {
    /// New, or with another content or mode.
    Written,
    Deleted,
    /// As in the base commit again.
    Restored,
}

/// The difference between workspace and base commit was stored outside the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceCheckpoint {
    /// The turn whose calls made the difference.
    pub turn: TurnNumber,
    pub blob: BlobRef,
    /// The toolbox's digest of the difference: an equal one means that nothing changed since.
    pub digest: Digest256,
    /// Stands for the digest and for what was left out. Missing in logs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
    /// Number of files that differ.
    pub files: u32,
}

/// The workspace could not be read after a call that may have written to it. The run ends with the checkpoint before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceCheckpointFailed {
    /// The turn whose calls are not in any checkpoint.
    pub turn: TurnNumber,
    /// A clause.
    pub reason: String,
}
