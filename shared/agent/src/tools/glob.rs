//! `glob`: files by a pattern.

use serde::Deserialize;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Glob {
    pub pattern: String,
    #[serde(default)]
    pub path: Option<String>,
}

impl Glob {
    pub(crate) fn call(&self) -> toolbox::Call {
        toolbox::Call::Glob(toolbox::Glob { pattern: self.pattern.clone(), path: self.path.clone() })
    }
}
