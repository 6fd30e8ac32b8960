//! `restore`: lays a changeset over a fresh checkout.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::change::{Change, Mode, sha256_hex};
use crate::error::ToolError;
use crate::files::path::RelativePath;
use crate::files::root::{Found, Located, Root};
use crate::files::write::Permissions;

/// The longest target of a link that Linux takes.
const MAX_TARGET_BYTES: usize = 4_095;

/// Makes the workspace differ from its base commit by these changes. Nothing is done unless all of them are valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    pub changes: Vec<Change>,
}

/// How much was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    pub written: usize,
    pub deleted: usize,
}

pub(crate) fn restore(root: &Root, call: &Restore) -> Result<Restored, ToolError> {
    validate(call.changes.iter())?;
    let mut restored = Restored::default();
    // Deletions first: a file may have become a directory, or the other way about.
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

/// Checks a changeset as strictly as the edits of a model: paths inside, hashes right, no path twice or below another.
pub(crate) fn validate<'a>(changes: impl Iterator<Item = &'a Change>) -> Result<(), ToolError> {
    let (mut read_tracker, mut written) = (BTreeSet::new(), BTreeSet::new());
    for change in changes {
        let invalid =
            |reason: &str| ToolError::Invalid(format!("The change of {:?} is not valid: {reason}.", change.path()));
        RelativePath::exact(change.path())?;
        if !read_tracker.insert(change.path()) {
            return Err(invalid("the path occurs twice"));
        }
        if let Change::Write { path, mode, content, sha256, bytes } = change {
            if *bytes != content.len() as u64 || *sha256 != sha256_hex(content) {
                return Err(invalid("its content does not match its length and hash"));
            }
            let is_bad_target = content.is_empty() || content.len() > MAX_TARGET_BYTES || content.contains(&0);
            if *mode == Mode::Symlink && is_bad_target {
                return Err(invalid("its content cannot be the target of a link"));
            }
            written.insert(path.as_str());
        }
    }
    for path in &written {
        let mut above = *path;
        while let Some((parent, _)) = above.rsplit_once('/') {
            if written.contains(parent) {
                return Err(ToolError::Invalid(format!("{parent:?} cannot be a file and hold {path:?}.")));
            }
            above = parent;
        }
    }
    Ok(())
}

/// Deletes a file or link and the directories that it leaves empty. That it is not there is fine, also when something
/// of another kind is there or on the way by now: a second attempt finds what the first one wrote.
pub(crate) fn delete(root: &Root, path: &str) -> Result<(), ToolError> {
    let relative = RelativePath::exact(path)?;
    let located = match root.locate_exact(&relative) {
        Ok(located) => located,
        Err(ToolError::WrongType { .. } | ToolError::LinkRefused { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    match located.found {
        Found::Nothing | Found::Directory => Ok(()),
        Found::File(_) | Found::Link | Found::Other => {
            located.remove()?;
            root.prune_above(&relative)
        }
    }
}

/// Writes a file or link, in place of what is there unless that is a directory with something in it.
pub(crate) fn write(root: &Root, path: &str, mode: Mode, content: &[u8]) -> Result<(), ToolError> {
    let located = root.locate_exact(&RelativePath::exact(path)?)?;
    // A submodule that was not fetched is an empty directory.
    if matches!(located.found, Found::Directory) && !located.remove_empty_directory() {
        return Err(in_the_way(&located));
    }
    match mode {
        Mode::Symlink => located.link_to(content),
        Mode::Regular => located.replace(content, Permissions::Set(0o644)),
        Mode::Executable => located.replace(content, Permissions::Set(0o755)),
    }
}

fn in_the_way(located: &Located) -> ToolError {
    ToolError::WrongType {
        path: located.shown(),
        what: "a directory that is not empty".to_owned(),
        advice: "It is in the way of a file; lay the changes over a fresh checkout.",
    }
}
