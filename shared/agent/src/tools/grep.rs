//! `grep`: lines by a regular expression.

use serde::Deserialize;
use toolbox::GrepMode;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grep {
    pub pattern: String,
    #[serde(default)]
    pub path: Option<String>,
    #[serde(default)]
    pub glob: Option<String>,
    #[serde(default)]
    pub ignore_case: bool,
    #[serde(default)]
    pub context: usize,
    #[serde(default)]
    pub mode: GrepMode,
}

impl Grep {
    pub(crate) fn call(&self) -> toolbox::Call {
        let Self { pattern, path, glob, ignore_case, context, mode } = self.clone();
        toolbox::Call::Grep(toolbox::Grep { pattern, path, glob, ignore_case, context, mode, limit: None })
    }
}
