//! The common parts of the editing operations.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::ToolError;
use crate::files::read_tracker;
use crate::files::root::{Found, Located};
use crate::files::write::Permissions;
use crate::text::{cut, lines, magic};

/// Maximum size of an edited file, in bytes.
pub(crate) const MAX_EDITED_BYTES: u64 = 16 << 20;

/// The outcome of an edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edited {
    /// For the model: what changed, with the lines around it.
    pub text: String,
    /// The path with symbolic links resolved, relative to the workspace.
    pub path: String,
    /// Lines between the first and the last difference in the new content.
    pub additions: usize,
    /// Lines between the first and the last difference in the old content.
    pub deletions: usize,
}

/// The content of an existing text file, for an edit.
pub(crate) fn content(located: &Located) -> Result<Vec<u8>, ToolError> {
    let wrong =
        |what: &str, advice| ToolError::WrongType { path: located.display_path(), what: what.to_owned(), advice };
    match located.found {
        Found::File(_) => {}
        Found::Nothing => {
            let advice = "Use create to make a new file, or glob to find the right path.";
            return Err(ToolError::Missing { path: located.display_path(), advice });
        }
        Found::Directory => return Err(wrong("a directory", "Give the path of a file.")),
        Found::Link | Found::Other => return Err(wrong("not a regular file", "Only regular files can be edited.")),
    }
    let content = located.read(MAX_EDITED_BYTES, "Edit it with a command instead.")?;
    match magic::binary(&content) {
        Some(what) => Err(wrong(&format!("a binary file, {what}"), "Only text can be edited with this tool.")),
        None => Ok(content),
    }
}

/// Writes the content `after` an edit over that `before` it and describes the change. `first` and `count` give the changed
/// lines, counted from 0.
pub(crate) fn finish(
    state: &Path,
    located: &Located,
    (before, after): (&[u8], &[u8]),
    (first, count): (usize, usize),
) -> Result<Edited, ToolError> {
    if after.len() as u64 > MAX_EDITED_BYTES {
        let advice = "Nothing was changed. Write it with a command instead.";
        let (bytes, limit) = (after.len() as u64, MAX_EDITED_BYTES);
        return Err(ToolError::TooLarge { path: located.display_path(), bytes, limit, advice });
    }
    located.replace(after, Permissions::Keep)?;
    read_tracker::record_write(state, &located.path, after)?;
    let (additions, deletions) = lines::count_changes(before, after);
    let snippet = lines::snippet(after, first, count);
    let text = format!(
        "Edited {} ({} added, {} removed). It now reads:\n{snippet}",
        located.path,
        cut::counted(additions, "line"),
        deletions
    );
    Ok(Edited { text, path: located.path.as_str().to_owned(), additions, deletions })
}
