//! `restore`: applies a changeset to a fresh checkout of its base commit.

use serde::{Deserialize, Serialize};

use super::apply::{delete, validate, write};
use crate::change::Change;
use crate::error::ToolError;
use crate::files::root::Root;

/// Applies the changes. If one of them is invalid, none is applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    pub changes: Vec<Change>,
}

/// The numbers of applied changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    pub written: usize,
    pub deleted: usize,
}

pub(crate) fn restore(root: &Root, call: &Restore) -> Result<Restored, ToolError> {
    validate(call.changes.iter())?;
    let mut restored = Restored::default();
    // Deletions come first: where a file became a directory, the file must go before anything can be written below it.
    for change in &call.changes {
        if let Change::Delete { path } = change {
            delete(root, path)?;
            restored.deleted += 1;
        }
    }
    for change in &call.changes {
        if let Change::Write { path, mode, content, .. } = change {
            write(root, path, *mode, content)?;
            restored.written += 1;
        }
    }
    Ok(restored)
}
