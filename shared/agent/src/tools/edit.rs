//! `str_replace_based_edit_tool`: view, create, str_replace, insert, in the model's built-in schema.

use std::borrow::Cow;

use domain::text::shorten;
use serde::Deserialize;
use serde_json::{Value, json};

use super::ToolLimits;

/// Texts in a view are cut to this many characters.
const MAX_SHOWN_CHARACTERS: usize = 4000;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub(crate) enum Edit {
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

impl Edit {
    pub(crate) fn writes(&self) -> bool {
        match self {
            Self::View { .. } => false,
            Self::Create { .. } | Self::StrReplace { .. } | Self::Insert { .. } => true,
        }
    }

    pub(crate) fn path(&self) -> &str {
        match self {
            Self::View { path, .. }
            | Self::Create { path, .. }
            | Self::StrReplace { path, .. }
            | Self::Insert { path, .. } => path,
        }
    }

    pub(crate) fn call(&self, limits: &ToolLimits) -> toolbox::Call {
        match self.clone() {
            Self::View { path, view_range } => {
                let max_characters = Some(limits.output_characters);
                toolbox::Call::View(toolbox::View { path, view_range, max_characters })
            }
            Self::Create { path, file_text } => toolbox::Call::Create(toolbox::Create { path, file_text }),
            Self::StrReplace { path, old_str, new_str } => {
                toolbox::Call::StrReplace(toolbox::StrReplace { path, old_str, new_str })
            }
            Self::Insert { path, insert_line, insert_text } => {
                toolbox::Call::Insert(toolbox::Insert { path, insert_line, insert_text })
            }
        }
    }

    pub(crate) fn view(&self) -> Value {
        match self {
            Self::View { path, view_range } => json!({ "command": "view", "filepath": path, "view_range": view_range }),
            Self::Create { path, file_text } => {
                json!({ "command": "create", "filepath": path, "new_str": shown(file_text) })
            }
            Self::StrReplace { path, old_str, new_str } => json!({
                "command": "str_replace",
                "filepath": path,
                "old_str": shown(old_str),
                "new_str": shown(new_str),
            }),
            Self::Insert { path, insert_line, insert_text } => json!({
                "command": "insert",
                "filepath": path,
                "old_str": "",
                "new_str": shown(insert_text),
                "line": insert_line,
            }),
        }
    }
}

fn shown(text: &str) -> Cow<'_, str> {
    shorten(text, MAX_SHOWN_CHARACTERS)
}
