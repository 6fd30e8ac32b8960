//! Checks and applies single changes, for `put_back` and `rebase`.

use std::collections::BTreeSet;

use crate::change::{Change, Mode, sha256_hex};
use crate::error::ToolError;
use crate::files::path::RelativePath;
use crate::files::root::{Found, Located, Root};
use crate::files::write::Permissions;

/// Linux's limit on the target of a symbolic link, in bytes (`PATH_MAX` without the final NUL).
const MAX_TARGET_BYTES: usize = 4_095;

/// Checks a whole changeset before any of it is applied.
///
/// # Errors
/// When a path is not a normal path in the workspace, occurs twice or lies below another written path, when a length or hash
/// does not match the content, or when a symbolic link has an impossible target.
pub(crate) fn validate<'a>(changes: impl Iterator<Item = &'a Change>) -> Result<(), ToolError> {
    let (mut paths, mut written) = (BTreeSet::new(), BTreeSet::new());
    for change in changes {
        let invalid =
            |reason: &str| ToolError::Invalid(format!("The change of {:?} is not valid: {reason}.", change.path()));
        RelativePath::exact(change.path())?;
        if !paths.insert(change.path()) {
            return Err(invalid("the path occurs twice"));
        }
        if let Change::Write { path, mode, content, sha256, bytes } = change {
            if *bytes != content.len() as u64 || *sha256 != sha256_hex(content) {
                return Err(invalid("its content does not match its length and hash"));
            }
            let is_bad_target = content.is_empty() || content.len() > MAX_TARGET_BYTES || content.contains(&0);
            if *mode == Mode::Symlink && is_bad_target {
                return Err(invalid("its content cannot be the target of a symbolic link"));
            }
            written.insert(path.as_str());
        }
    }
    for path in &written {
        let mut above = *path;
        while let Some((parent, _)) = above.rsplit_once('/') {
            if written.contains(parent) {
                return Err(ToolError::Invalid(format!("{parent:?} cannot be a file and contain {path:?}.")));
            }
            above = parent;
        }
    }
    Ok(())
}

/// Deletes a file or link, and the directories that become empty. It is no error when nothing is there, or when something of
/// another kind is at the path or above it: a second attempt finds what the first one has already written.
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

/// Writes a file or link. It replaces what is at the path, except a directory that is not empty.
pub(crate) fn write(root: &Root, path: &str, mode: Mode, content: &[u8]) -> Result<(), ToolError> {
    let located = root.locate_exact(&RelativePath::exact(path)?)?;
    // In the workspace, a submodule that was not fetched is an empty directory.
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
        path: located.display_path(),
        what: "a directory that is not empty".to_owned(),
        advice: "It is in the way of a file; apply the changes to a fresh checkout.",
    }
}
