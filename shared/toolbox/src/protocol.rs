//! What goes over the two pipes: one request, one response, both JSON.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::{Failure, ToolError};
use crate::{
    Baseline, BaselineTaken, Collect, Collected, Create, Diff, Diffed, Edited, Glob, Globbed, Grep, Grepped, Insert,
    Instructions, InstructionsRead, Rebase, Rebased, Restore, Restored, StrReplace, Survey, Surveyed, View, Viewed,
};

/// The version of the protocol. Both sides must speak the same one; another is answered with the error kind `version`.
pub const VERSION: u32 = 1;

/// One call, with the three directories it works on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// [`VERSION`] of the side that asks.
    pub version: u32,
    /// The checkout. Nothing outside it is read or written for a path that a model gave.
    pub workspace: PathBuf,
    /// The toolbox's own directory: the pristine git directory and the record of what was seen.
    pub state: PathBuf,
    /// Kept outputs of commands, which `view` may read besides the workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<PathBuf>,
    /// What to do.
    pub call: Call,
}

impl Request {
    /// A request in the current version, without kept outputs.
    pub fn new(workspace: impl Into<PathBuf>, state: impl Into<PathBuf>, call: Call) -> Self {
        Self { version: VERSION, workspace: workspace.into(), state: state.into(), outputs: None, call }
    }

    /// Lets `view` read below `outputs` too.
    #[must_use]
    pub fn with_outputs(mut self, outputs: impl Into<PathBuf>) -> Self {
        self.outputs = Some(outputs.into());
        self
    }
}

/// The operations, by the names they have on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Call {
    View(View),
    Create(Create),
    StrReplace(StrReplace),
    Insert(Insert),
    Glob(Glob),
    Grep(Grep),
    Survey(Survey),
    Instructions(Instructions),
    Baseline(Baseline),
    Collect(Collect),
    Restore(Restore),
    Diff(Diff),
    Rebase(Rebase),
}

/// What an operation that succeeded found or did, under the name of the call it answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    View(Viewed),
    Create(Edited),
    StrReplace(Edited),
    Insert(Edited),
    Glob(Globbed),
    Grep(Grepped),
    Survey(Surveyed),
    Instructions(InstructionsRead),
    Baseline(BaselineTaken),
    Collect(Collected),
    Restore(Restored),
    Diff(Diffed),
    Rebase(Rebased),
}

/// The response as it stands on the wire: exactly one of `ok` and `error`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Response {
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ok: Option<Answer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
}

impl Response {
    pub(crate) fn new(outcome: Result<Answer, ToolError>) -> Self {
        match outcome {
            Ok(answer) => Self { version: VERSION, ok: Some(answer), error: None },
            Err(error) => Self { version: VERSION, ok: None, error: Some(error.into()) },
        }
    }

    /// Reads what a toolbox wrote. The bytes come from a sandbox: garbage, another version, or a response with both or
    /// neither of `ok` and `error` is a failure of kind `protocol` or `version`, never a panic.
    pub fn parse(bytes: &[u8]) -> Result<Answer, Failure> {
        let version: Version = serde_json::from_slice(bytes).map_err(|error| ToolError::Protocol(error.to_string()))?;
        version.check()?;
        let response: Self = serde_json::from_slice(bytes).map_err(|error| ToolError::Protocol(error.to_string()))?;
        match (response.ok, response.error) {
            (Some(answer), None) => Ok(answer),
            (None, Some(failure)) => Err(failure),
            (Some(_), Some(_)) | (None, None) => {
                Err(ToolError::Protocol("a response has either `ok` or `error`".to_owned()).into())
            }
        }
    }
}

/// The one field that is read before anything else is understood.
#[derive(Deserialize)]
pub(crate) struct Version {
    version: u32,
}

impl Version {
    pub(crate) fn check(&self) -> Result<(), ToolError> {
        if self.version == VERSION { Ok(()) } else { Err(ToolError::Version { got: self.version }) }
    }
}
