use std::{cell::RefCell, fmt};

/// One problem for which a definition is refused, and its location.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct DefinitionError {
    /// The state; none for a top-level field of the state machine.
    pub state: Option<String>,
    /// The field's path inside the state, such as `Choices[0].StringEquals`. Empty for the state as a whole.
    pub field: String,
    pub problem: Problem,
}

impl fmt::Display for DefinitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            Some(state) => write!(f, "state {state:?}")?,
            None => write!(f, "the state machine")?,
        }
        if !self.field.is_empty() {
            write!(f, ", field {}", self.field)?;
        }
        write!(f, ": {}", self.problem)
    }
}

/// Why a field is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("not JSON: {0}")]
    NotJson(String),
    #[error("must be {0}")]
    WrongType(&'static str),
    #[error("is missing")]
    Missing,
    #[error("this field is not supported")]
    UnsupportedField,
    #[error("the state type {0:?} is not supported")]
    UnsupportedStateType(String),
    #[error("the query language {0:?} is not supported, only JSONPath")]
    UnsupportedQueryLanguage(String),
    #[error("version {0:?} of the language is not supported, only 1.0")]
    UnsupportedVersion(String),
    #[error("the Choice operator {0:?} is not supported")]
    UnsupportedOperator(String),
    #[error("the intrinsic function in {0:?} is not supported")]
    UnsupportedIntrinsic(String),
    #[error("the context path {0:?} is not supported")]
    UnsupportedContextPath(String),
    #[error("the path {0:?} is not a reference path, which names exactly one value")]
    UnsupportedPath(String),
    #[error("the context path {0:?} is not allowed in this field")]
    ContextNotAllowed(String),
    #[error("the resource {0:?} is not supported")]
    UnsupportedResource(String),
    #[error("the error name {0:?} can never match")]
    UnsupportedErrorName(String),
    #[error("no substitution was given for ${{{0}}}")]
    Unresolved(String),
    #[error("cannot be combined with {0}")]
    Conflict(String),
    #[error("must be between {0} and {1}")]
    OutOfRange(u64, u64),
    #[error("must not be empty")]
    Empty,
    #[error("there is no state {0:?}")]
    NoSuchState(String),
    #[error("cannot be reached from StartAt")]
    Unreachable,
    #[error("has neither Next nor End")]
    NoTransition,
    #[error("a Task needs TimeoutSeconds or TimeoutSecondsPath")]
    NoTimeout,
    #[error("States.ALL must be the only error name of its entry")]
    AllNotAlone,
    #[error("an entry with States.ALL must be the last one")]
    AllNotLast,
    #[error("nothing could complete the task: no field of its payload reads $$.Task.Token")]
    MissingToken,
    #[error("$$.Task.Token exists only in the payload of a task that waits for it")]
    TokenNotAllowed,
}

/// Collects the problems of a definition, so that one load reports all of them.
#[derive(Default)]
pub(crate) struct Problems(RefCell<Vec<DefinitionError>>);

impl Problems {
    pub(crate) fn report(&self, state: Option<&str>, field: &str, problem: Problem) {
        self.0.borrow_mut().push(DefinitionError { state: state.map(str::to_owned), field: field.to_owned(), problem });
    }

    pub(crate) fn into_vec(self) -> Vec<DefinitionError> {
        self.0.into_inner()
    }
}
