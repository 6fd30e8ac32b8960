//! The request and the response, both JSON.

use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Failure, ToolError};
use crate::{
    Baseline, BaselineTaken, Collect, Collected, Create, Edited, Glob, Globbed, Grep, Grepped, Insert, Instructions,
    InstructionsRead, Rebase, Rebased, Settle, Settled, StrReplace, Survey, Surveyed, View, Viewed,
};

/// The version of the protocol. Both sides must use the same one; another gets a response with the error kind `version`, and the
/// caller takes the sandbox for lost.
///
/// To be raised with every change after which one side would misread the other: a call, an answer or an error kind that is added,
/// renamed or removed, a field whose meaning or type changes, a field that is no longer sent. A field that both sides may miss
/// (`default`, and no `deny_unknown_fields` on the reading side) needs no new version.
pub const VERSION: u32 = 5;

/// One call, with the directories that it works on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The caller's [`VERSION`].
    pub version: u32,
    /// The checkout. A path from a model cannot leave it.
    pub workspace: PathBuf,
    /// The toolbox's own directory: the pristine git directory and the record of read files.
    pub state: PathBuf,
    /// The directory of stored command outputs, which `view` may read too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<PathBuf>,
    pub call: Call,
}

impl Request {
    /// A request in the current version, without stored outputs.
    pub fn new(workspace: impl Into<PathBuf>, state: impl Into<PathBuf>, call: Call) -> Self {
        Self { version: VERSION, workspace: workspace.into(), state: state.into(), outputs: None, call }
    }

    /// Lets `view` also read below `outputs`.
    #[must_use]
    pub fn with_outputs(mut self, outputs: impl Into<PathBuf>) -> Self {
        self.outputs = Some(outputs.into());
        self
    }
}

/// The operations, under their names in the protocol.
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
    Settle(Settle),
    Collect(Collect),
    Rebase(Rebase),
    PutBack(crate::PutBack),
}

/// The result of a successful operation, under the name of its call.
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
    Settle(Settled),
    Collect(Collected),
    Rebase(Rebased),
    PutBack(crate::WasPutBack),
}

/// The response: exactly one of `ok` and `error` is present.
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

    /// Parses the response of a toolbox. The bytes come from a sandbox and may be anything.
    ///
    /// # Errors
    ///
    /// The failure in the response; of kind `version` for another version; of kind `protocol` for bytes that are no
    /// response, or a response with both or neither of `ok` and `error`.
    pub fn parse(bytes: &[u8]) -> Result<Answer, Failure> {
        let response: Self = parse(bytes)?;
        match (response.ok, response.error) {
            (Some(answer), None) => Ok(answer),
            (None, Some(failure)) => Err(failure),
            (Some(_), Some(_)) | (None, None) => {
                Err(ToolError::Protocol("a response must have exactly one of `ok` and `error`".to_owned()).into())
            }
        }
    }
}

/// Parses a request or a response. The version is checked first, because a message of another version may not parse.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ToolError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }

    let invalid = |error: serde_json::Error| ToolError::Protocol(error.to_string());
    let Versioned { version } = serde_json::from_slice(bytes).map_err(invalid)?;
    if version != VERSION {
        return Err(ToolError::Version { got: version, supported: VERSION });
    }
    serde_json::from_slice(bytes).map_err(invalid)
}
