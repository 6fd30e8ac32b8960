//! `create`: writes a new file, or overwrites a file that the model has read.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::edited::{Edited, MAX_EDITED_BYTES};
use crate::error::ToolError;
use crate::files::read_tracker;
use crate::files::root::{Found, Root};
use crate::files::write::Permissions;
use crate::text::{cut, lines};

/// Writes a whole file, byte for byte as given, and creates the directories above it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// Relative to the workspace, or absolute below it.
    pub path: String,
    pub file_text: String,
}

pub(crate) fn create(root: &Root, state: &Path, call: &Create) -> Result<Edited, ToolError> {
    let located = root.locate(&call.path)?;
    let after = call.file_text.as_bytes();
    if after.len() as u64 > MAX_EDITED_BYTES {
        let (bytes, limit) = (after.len() as u64, MAX_EDITED_BYTES);
        return Err(ToolError::TooLarge { path: located.display_path(), bytes, limit, advice: "Nothing was written." });
    }
    let before = match located.found {
        Found::Nothing => None,
        Found::File(_) => {
            let before = located.read(MAX_EDITED_BYTES, "Overwrite it with a command instead.")?;
            if !read_tracker::is_read(state, &located.path, &before) {
                return Err(ToolError::Unseen { path: located.display_path() });
            }
            Some(before)
        }
        Found::Directory | Found::Link | Found::Other => {
            let what = "not a regular file".to_owned();
            return Err(ToolError::WrongType { path: located.display_path(), what, advice: "Choose another path." });
        }
    };
    located.replace(after, Permissions::Keep)?;
    read_tracker::record_write(state, &located.path, after)?;
    let old = before.as_deref().unwrap_or_default();
    let (additions, deletions) = lines::count_changes(old, after);
    let size = cut::counted(lines::with_endings(after).len(), "line");
    let text = match &before {
        None => format!("Created {} ({size}).", located.path),
        Some(before) if has_crlf(before) && !has_crlf(after) => {
            format!("Overwrote {} ({size}). Note: it had CRLF line endings and now has LF.", located.path)
        }
        Some(_) => format!("Overwrote {} ({size}).", located.path),
    };
    Ok(Edited { text, path: located.path.as_str().to_owned(), additions, deletions })
}

fn has_crlf(content: &[u8]) -> bool {
    memchr::memmem::find(content, b"\r\n").is_some()
}
