use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Matches every error but [`DATA_LIMIT_EXCEEDED`] and [`RUNTIME`].
pub(crate) const ALL: &str = "States.ALL";
pub(crate) const TASK_FAILED: &str = "States.TaskFailed";
pub(crate) const TIMEOUT: &str = "States.Timeout";
pub(crate) const DATA_LIMIT_EXCEEDED: &str = "States.DataLimitExceeded";
pub(crate) const RUNTIME: &str = "States.Runtime";
pub(crate) const NO_CHOICE_MATCHED: &str = "States.NoChoiceMatched";
pub(crate) const PARAMETER_PATH_FAILURE: &str = "States.ParameterPathFailure";
pub(crate) const RESULT_PATH_MATCH_FAILURE: &str = "States.ResultPathMatchFailure";
pub(crate) const PERMISSIONS: &str = "States.Permissions";

/// The reserved names that a Retry or a Catch may name here. `States.Runtime` is not among them: it always ends
/// the execution, so an entry that names it would be dead.
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

/// Step Functions' limits on the fields of a failure, in characters (API reference of SendTaskFailure).
const ERROR_LIMIT: usize = 256;
const CAUSE_LIMIT: usize = 32_768;

/// How a task, a state or an execution failed, in the two words of the language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{error}: {cause}")]
pub struct Failure {
    /// The error's name, which Retry and Catch match. Names of the language itself begin with `States.`.
    pub error: String,
    /// What happened, for a person.
    pub cause: String,
}

impl Failure {
    /// A failure; both texts are cut to the lengths that Step Functions accepts (256 and 32,768 characters).
    pub fn new(error: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { error: cut(error.into(), ERROR_LIMIT), cause: cut(cause.into(), CAUSE_LIMIT) }
    }

    pub(crate) fn runtime(cause: impl Into<String>) -> Self {
        Self::new(RUNTIME, cause)
    }

    pub(crate) fn timeout(cause: impl Into<String>) -> Self {
        Self::new(TIMEOUT, cause)
    }

    /// The same failure within the limits: what a task or a journal hands over was built by others.
    pub(crate) fn bounded(self) -> Self {
        Self::new(self.error, self.cause)
    }

    /// What a Catch hands to the state it goes to.
    pub(crate) fn as_output(&self) -> Value {
        json!({ "Error": self.error, "Cause": self.cause })
    }

    /// Whether one of the names of an `ErrorEquals` means this failure.
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

fn cut(mut text: String, limit: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(limit) {
        text.truncate(end);
    }
    text
}
