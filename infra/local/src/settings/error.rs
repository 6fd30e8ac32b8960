//! Why a setting is refused.

/// A variable whose value cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{name} is {value:?}: {problem}")]
pub struct SettingsError {
    name: &'static str,
    value: String,
    problem: String,
}

impl SettingsError {
    /// `problem` says what a valid value looks like, or what is wrong with this one.
    pub(super) fn new(name: &'static str, value: &str, problem: impl Into<String>) -> Self {
        Self { name, value: value.to_owned(), problem: problem.into() }
    }
}
