//! `insert`: adds whole lines after a line.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::edited::{self, Edited};
use crate::error::ToolError;
use crate::files::root::Root;
use crate::text::document::{Document, normalise};
use crate::text::{cut, lines};

/// Inserts `insert_text`, as lines of its own, after line `insert_line`; 0 means before the first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Insert {
    /// Relative to the workspace, or absolute below it.
    pub path: String,
    pub insert_line: u64,
    pub insert_text: String,
}

pub(crate) fn insert(root: &Root, state: &Path, call: &Insert) -> Result<Edited, ToolError> {
    if call.insert_text.is_empty() {
        return Err(ToolError::Invalid("insert_text is empty, so there is nothing to insert.".to_owned()));
    }
    let located = root.locate(&call.path)?;
    let before = edited::content(&located)?;
    let document = Document::new(&before);
    let existing = lines::with_endings(document.normal());
    let after_line =
        usize::try_from(call.insert_line).ok().filter(|line| *line <= existing.len()).ok_or_else(|| {
            ToolError::Range(format!(
                "Nothing was changed: {} has {}, so insert_line must be from 0 to {}, not {}.",
                located.path,
                cut::counted(existing.len(), "line"),
                existing.len(),
                call.insert_line
            ))
        })?;
    let mut text = normalise(&call.insert_text);
    let at = match after_line {
        // The byte order mark must stay at the beginning of the file.
        0 => lines::mark_length(&before),
        _ => existing.iter().take(after_line).map(|line| line.len()).sum(),
    };
    let is_unterminated = at == document.normal().len() && document.normal().last().is_some_and(|last| *last != b'\n');
    if is_unterminated && at > lines::mark_length(&before) {
        // The last line has no newline, so the new last line gets none either.
        text.insert(0, b'\n');
        if text.last() == Some(&b'\n') && text.len() > 1 {
            text.pop();
        }
    } else if text.last() != Some(&b'\n') {
        text.push(b'\n');
    }
    let after = document.replace(at, b"", &text);
    let count = memchr::memchr_iter(b'\n', &text).count();
    edited::finish(state, &located, (&before, &after), (after_line, count))
}
