//! `str_replace`: replaces the one exact occurrence of a text.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::edited::{self, Edited};
use crate::error::ToolError;
use crate::files::root::Root;
use crate::text::document::{Document, normalise};
use crate::text::{lines, mismatch};

/// Maximum occurrences that the error for an ambiguous text lists.
const MAX_LISTED_OCCURRENCES: usize = 20;

/// Replaces `old_str`, which must occur exactly once, by `new_str`. The file keeps its line endings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StrReplace {
    /// Relative to the workspace, or absolute below it.
    pub path: String,
    pub old_str: String,
    /// Without it, `old_str` is deleted.
    #[serde(default)]
    pub new_str: String,
}

pub(crate) fn str_replace(root: &Root, state: &Path, call: &StrReplace) -> Result<Edited, ToolError> {
    if call.old_str.is_empty() {
        return Err(ToolError::Invalid(
            "old_str is empty. Give the text to replace, or use insert to add lines.".to_owned(),
        ));
    }
    let (old, new) = (normalise(&call.old_str), normalise(&call.new_str));
    if old == new {
        return Err(ToolError::Invalid("old_str and new_str are the same, so there is nothing to change.".to_owned()));
    }
    let located = root.locate(&call.path)?;
    let before = edited::content(&located)?;
    let document = Document::new(&before);
    let found = document.find(&old, MAX_LISTED_OCCURRENCES);
    let at = match found.as_slice() {
        [] => {
            let hint = mismatch::hint(document.normal(), &old);
            return Err(ToolError::NoMatch { path: located.display_path(), hint });
        }
        [at] => *at,
        several => {
            let more = several.len() == MAX_LISTED_OCCURRENCES;
            let count = if more { format!("at least {MAX_LISTED_OCCURRENCES}") } else { several.len().to_string() };
            let listed: Vec<String> = several.iter().map(|at| (document.line_at(*at) + 1).to_string()).collect();
            let lines = listed.join(", ") + if more { " and perhaps more" } else { "" };
            return Err(ToolError::Ambiguous { path: located.display_path(), count, lines });
        }
    };
    let after = document.replace(at, &old, &new);
    let changed = (document.line_at(at), lines::with_endings(&new).len());
    edited::finish(state, &located, (&before, &after), changed)
}
