//! `glob`: finds files by a pattern.

use async_trait::async_trait;
use domain::ToolKind;
use serde::Deserialize;
use serde_json::{Value, json};

use super::tool::{Display, Progress, Scope, Tool};
use super::toolbox_call;
use crate::workspace::WorkspaceError;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Glob {
    pattern: String,
    #[serde(default)]
    path: Option<String>,
}

#[async_trait]
impl Tool for Glob {
    fn name() -> &'static str {
        "glob"
    }

    fn schema() -> Value {
        json!({
            "name": Self::name(),
            "description": "Finds files by a glob pattern such as `src/**/*.py`, newest first. Omits files that git ignores. Lists at most 100.",
            "input_schema": {
                "type": "object",
                "additionalProperties": false,
                "required": ["pattern"],
                "properties": {
                    "pattern": { "type": "string", "description": "The glob pattern, relative to `path`." },
                    "path": { "type": "string", "description": "The directory to search in. Default: the workspace." }
                }
            }
        })
    }

    fn display(&self) -> Display {
        let title = match &self.path {
            Some(path) => format!("Find {} in {path}", self.pattern),
            None => format!("Find {}", self.pattern),
        };
        let fields = json!({ "pattern": self.pattern, "filepath": self.path });
        Display { kind: ToolKind::Search, title, fields }
    }

    async fn run(&self, scope: &Scope<'_>) -> Result<Progress, WorkspaceError> {
        let call = toolbox::Glob { pattern: self.pattern.clone(), path: self.path.clone() };
        toolbox_call::run(scope, toolbox::Call::Glob(call)).await
    }
}
