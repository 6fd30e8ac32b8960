//! `put_back`: makes the workspace differ from the base commit by exactly the given changes.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::apply::{delete, validate};
use super::collect::Limits;
use crate::change::{Change, hexadecimal};
use crate::error::ToolError;
use crate::files::root::Root;
use crate::worktree::observations::Outcome;
use crate::worktree::tracker::{StoredFile, Tracker};
use crate::worktree::written::Written;

/// Applies a checkpoint to a fresh checkout of its base commit, puts back what the checks of the project changed, or takes a change away
/// and lays it back. What `collect` does not look at is left
/// alone: ignored files, what commands left behind, paths that cannot be published. A path whose content is right already is not
/// touched, so that build tools see no newer file. Can be repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutBack {
    pub changes: Vec<Change>,
    /// As in [`Collect`](crate::Collect).
    #[serde(default)]
    pub limits: Limits,
    /// As in [`Collect`](crate::Collect).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub written: Vec<String>,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WasPutBack {
    /// The number of paths that were written or deleted.
    pub paths: usize,
}

pub(crate) fn put_back(
    root: &Root,
    state: &Path,
    tracker: &mut Tracker,
    call: &PutBack,
) -> Result<WasPutBack, ToolError> {
    validate(call.changes.iter())?;
    let comparison = tracker.compare(root, state, call.limits, &Written::new(&call.written), &HashSet::new())?;
    let now: BTreeMap<String, Outcome> = comparison.changes.into_iter().collect();
    let wanted: BTreeMap<&str, &Change> = call.changes.iter().map(|change| (change.path(), change)).collect();
    let mut paths = 0;
    // Deletions come first: where a file became a directory, its files must go before the file can come back.
    let obsolete = now.keys().filter(|path| !wanted.contains_key(path.as_str()) && !tracker.has(path));
    let deleted = call.changes.iter().filter(|change| matches!(change, Change::Delete { .. })).map(Change::path);
    let deleted = deleted.filter(|path| now.get(*path) != Some(&Outcome::Deleted));
    for path in obsolete.map(String::as_str).chain(deleted) {
        delete(root, path)?;
        paths += 1;
    }
    let mut files = Vec::new();
    for path in now.keys().filter(|path| !wanted.contains_key(path.as_str()) && tracker.has(path)) {
        files.push(tracker.base_file(path)?);
    }
    for change in &call.changes {
        if let Change::Write { path, mode, content, sha256, .. } = change
            && !is_there(now.get(path), *mode, sha256)
        {
            files.push(StoredFile { path, mode: *mode, content: content.into() });
        }
    }
    tracker.check_out(root, &files)?;
    Ok(WasPutBack { paths: paths + files.len() })
}

fn is_there(now: Option<&Outcome>, mode: crate::Mode, sha256: &str) -> bool {
    matches!(now, Some(Outcome::Written { mode: has, sha256: hash, .. }) if *has == mode && hexadecimal(hash) == sha256)
}
