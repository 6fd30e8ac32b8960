use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Matches every error except [`DATA_LIMIT_EXCEEDED`] and [`RUNTIME`].
pub(crate) const ALL: &str = "States.ALL";
pub(crate) const TASK_FAILED: &str = "States.TaskFailed";
pub(crate) const TIMEOUT: &str = "States.Timeout";
pub(crate) const DATA_LIMIT_EXCEEDED: &str = "States.DataLimitExceeded";
pub(crate) const RUNTIME: &str = "States.Runtime";
pub(crate) const NO_CHOICE_MATCHED: &str = "States.NoChoiceMatched";
pub(crate) const PARAMETER_PATH_FAILURE: &str = "States.ParameterPathFailure";
pub(crate) const RESULT_PATH_MATCH_FAILURE: &str = "States.ResultPathMatchFailure";
pub(crate) const PERMISSIONS: &str = "States.Permissions";

/// The reserved error names that `ErrorEquals` accepts. `States.Runtime` is not among them: it always ends the execution,
/// so an entry that names it could never match.
pub(crate) const CATCHABLE: [&str; 8] = [
    ALL,
    TASK_FAILED,
    TIMEOUT,
    DATA_LIMIT_EXCEEDED,
    NO_CHOICE_MATCHED,
    PARAMETER_PATH_FAILURE,
    RESULT_PATH_MATCH_FAILURE,
    PERMISSIONS,
];

/// Step Functions' limits on the two texts of a failure, in characters (API reference of SendTaskFailure).
const MAX_ERROR: usize = 256;
const MAX_CAUSE: usize = 32_768;

/// How a task, a state or an execution failed: the language's `Error` and `Cause`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{error}: {cause}")]
pub struct Failure {
    /// The error name that Retry and Catch match. The language's own names begin with `States.`.
    pub error: String,
    /// A description for people.
    pub cause: String,
}

impl Failure {
    /// Cuts both texts to the lengths that Step Functions accepts: 256 characters for `error`, 32,768 for `cause`.
    pub fn new(error: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { error: truncated(error.into(), MAX_ERROR), cause: truncated(cause.into(), MAX_CAUSE) }
    }

    pub(crate) fn runtime(cause: impl Into<String>) -> Self {
        Self::new(RUNTIME, cause)
    }

    pub(crate) fn timeout(cause: impl Into<String>) -> Self {
        Self::new(TIMEOUT, cause)
    }

    /// The same failure with its texts cut to the limits. A failure from outside may exceed them, because its fields are
    /// public and it can be deserialized.
    pub(crate) fn truncated(self) -> Self {
        Self::new(self.error, self.cause)
    }

    /// The error output that a Catch adds to the state's input.
    pub(crate) fn as_output(&self) -> Value {
        json!({ "Error": self.error, "Cause": self.cause })
    }

    /// Whether one of the names of an `ErrorEquals` list matches this failure.
    pub(crate) fn is_any_of(&self, names: &[String]) -> bool {
        names.iter().any(|name| self.is(name))
    }

    fn is(&self, name: &str) -> bool {
        match (name, self.error.as_str()) {
            (_, RUNTIME) => false,
            (ALL | TASK_FAILED, DATA_LIMIT_EXCEEDED) | (TASK_FAILED, TIMEOUT) => false,
            (ALL | TASK_FAILED, _) => true,
            (name, error) => name == error,
        }
    }
}

fn truncated(mut text: String, limit: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(limit) {
        text.truncate(end);
    }
    text
}
