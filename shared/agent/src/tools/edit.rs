//! `str_replace_based_edit_tool`: view, create, str_replace, insert, in the model's built-in schema.

use std::borrow::Cow;

use async_trait::async_trait;
use domain::ToolKind;
use domain::text::shorten;
use serde::Deserialize;
use serde_json::{Value, json};

use super::tool::{Display, Progress, Scope, Tool};
use super::toolbox_call;
use crate::workspace::WorkspaceError;

/// Maximum length of each text of an edit that clients see. The checkpoint holds the whole change.
const MAX_SHOWN_CHARACTERS: usize = 4000;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub(super) enum Edit {
    View {
        path: String,
        #[serde(default)]
        view_range: Option<[i64; 2]>,
    },
    Create {
        path: String,
        file_text: String,
    },
    StrReplace {
        path: String,
        old_str: String,
        #[serde(default)]
        new_str: String,
    },
    Insert {
        path: String,
        insert_line: u64,
        #[serde(alias = "new_str")]
        insert_text: String,
    },
}

#[async_trait]
impl Tool for Edit {
    fn name() -> &'static str {
        "str_replace_based_edit_tool"
    }

    /// A built-in tool of the Messages API: its type stands for the schema.
    fn schema() -> Value {
        json!({ "type": "text_editor_20250728", "name": Self::name() })
    }

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "required": ["command", "path"],
            "properties": {
                "command": { "type": "string" },
                "path": { "type": "string" },
                "view_range": { "type": "array", "items": { "type": "integer" } },
                "file_text": { "type": "string" },
                "old_str": { "type": "string" },
                "new_str": { "type": "string" },
                "insert_line": { "type": "integer" },
                "insert_text": { "type": "string" }
            }
        })
    }

    fn writes(&self) -> bool {
        match self {
            Self::View { .. } => false,
            Self::Create { .. } | Self::StrReplace { .. } | Self::Insert { .. } => true,
        }
    }

    fn path(&self) -> Option<&str> {
        match self {
            Self::View { path, .. }
            | Self::Create { path, .. }
            | Self::StrReplace { path, .. }
            | Self::Insert { path, .. } => Some(path),
        }
    }

    /// The fields do not include the operation (`command`), since clients read `command` as a shell command.
    fn display(&self) -> Display {
        let (kind, verb, path, fields) = match self {
            Self::View { path, view_range } => {
                (ToolKind::Read, "Read", path, json!({ "filepath": path, "view_range": view_range }))
            }
            Self::Create { path, file_text } => {
                (ToolKind::Write, "Write", path, json!({ "filepath": path, "new_str": shown(file_text) }))
            }
            Self::StrReplace { path, old_str, new_str } => {
                let fields = json!({ "filepath": path, "old_str": shown(old_str), "new_str": shown(new_str) });
                (ToolKind::Edit, "Edit", path, fields)
            }
            Self::Insert { path, insert_line, insert_text } => {
                let text = shown(insert_text);
                let fields = json!({ "filepath": path, "old_str": "", "new_str": text, "line": insert_line });
                (ToolKind::Edit, "Edit", path, fields)
            }
        };
        Display { kind, title: format!("{verb} {path}"), fields }
    }

    async fn run(&self, scope: &Scope<'_>) -> Result<Progress, WorkspaceError> {
        let call = match self.clone() {
            Self::View { path, view_range } => {
                let max_characters = Some(scope.limits.output_characters);
                toolbox::Call::View(toolbox::View { path, view_range, max_characters })
            }
            Self::Create { path, file_text } => toolbox::Call::Create(toolbox::Create { path, file_text }),
            Self::StrReplace { path, old_str, new_str } => {
                toolbox::Call::StrReplace(toolbox::StrReplace { path, old_str, new_str })
            }
            Self::Insert { path, insert_line, insert_text } => {
                toolbox::Call::Insert(toolbox::Insert { path, insert_line, insert_text })
            }
        };
        toolbox_call::run(scope, call).await
    }
}

fn shown(text: &str) -> Cow<'_, str> {
    shorten(text, MAX_SHOWN_CHARACTERS)
}
