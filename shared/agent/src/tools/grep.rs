//! `grep`: finds lines by a regular expression.

use async_trait::async_trait;
use domain::ToolKind;
use serde::Deserialize;
use serde_json::{Value, json};
use toolbox::GrepMode;

use super::tool::{Display, Progress, Scope, Tool};
use super::toolbox_call;
use crate::workspace::WorkspaceError;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Grep {
    pattern: String,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    glob: Option<String>,
    #[serde(default)]
    ignore_case: bool,
    #[serde(default)]
    context: usize,
    #[serde(default)]
    mode: GrepMode,
}

#[async_trait]
impl Tool for Grep {
    fn name() -> &'static str {
        "grep"
    }

    fn schema() -> Value {
        json!({
            "name": Self::name(),
            "description": "Searches file contents with a regular expression (Rust's syntax). Omits binary files and files that git ignores.",
            "input_schema": {
                "type": "object",
                "additionalProperties": false,
                "required": ["pattern"],
                "properties": {
                    "pattern": { "type": "string", "description": "The regular expression." },
                    "path": { "type": "string", "description": "File or directory to search. Default: the workspace." },
                    "glob": { "type": "string", "description": "Only files that match this glob, such as `*.ts`." },
                    "ignore_case": { "type": "boolean" },
                    "context": { "type": "integer", "minimum": 0, "maximum": 20, "description": "Lines of context around a match." },
                    "mode": { "type": "string", "enum": ["content", "files", "count"], "description": "What to list: matching lines (default), files, or the number of matches per file." }
                }
            }
        })
    }

    fn display(&self) -> Display {
        let title = match &self.path {
            Some(path) => format!("Search {} in {path}", self.pattern),
            None => format!("Search {}", self.pattern),
        };
        let fields = json!({ "pattern": self.pattern, "filepath": self.path });
        Display { kind: ToolKind::Search, title, fields }
    }

    async fn run(&self, scope: &Scope<'_>) -> Result<Progress, WorkspaceError> {
        let Self { pattern, path, glob, ignore_case, context, mode } = self.clone();
        // Without a limit from here the toolbox applies its own, which fits the size of an answer.
        let call = toolbox::Grep { pattern, path, glob, ignore_case, context, mode, limit: None };
        toolbox_call::run(scope, toolbox::Call::Grep(call)).await
    }
}
