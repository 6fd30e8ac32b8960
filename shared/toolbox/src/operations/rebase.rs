//! `rebase`: applies changes against an old base to a checkout of a new base, with a three-way merge.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::apply::{delete, validate, write};
use crate::change::{Change, Conflict, Mode, optional_base64};
use crate::error::ToolError;
use crate::files::path::RelativePath;
use crate::files::root::{Found, Root};
use crate::git::Git;
use crate::git::base::{Base, is_object_id};
use crate::git::objects::{Object, TreeLinks};
use crate::text::magic;

/// Maximum size of a merged file, in bytes.
const MAX_MERGED_BYTES: u64 = 64 << 20;

/// Applies changes against an old base to a workspace at the new base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rebase {
    pub changes: Vec<RebaseChange>,
    /// The old base commit. If the clone contains it, it provides the base content for the changes that carry none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_base: Option<String>,
}

/// A change with the content that it started from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RebaseChange {
    pub change: Change,
    /// The content at the path in the old base; none when there was nothing, or when it is not known.
    #[serde(default, rename = "base_base64", with = "optional_base64", skip_serializing_if = "Option::is_none")]
    pub base: Option<Vec<u8>>,
}

/// The outcome for each path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rebased {
    /// Paths that now have the content of their change.
    pub written: Vec<String>,
    /// Paths that no longer exist.
    pub deleted: Vec<String>,
    /// Paths where the changes of both sides were merged without a conflict.
    pub merged: Vec<String>,
    /// Paths that need a decision.
    pub conflicts: Vec<Conflict>,
}

pub(crate) fn rebase(root: &Root, state: &Path, call: &Rebase) -> Result<Rebased, ToolError> {
    validate(call.changes.iter().map(|change| &change.change))?;
    let (_, git) = Base::open(state, root.path())?;
    let old_contents = old_contents(&git, call)?;
    let mut rebased = Rebased::default();
    let (deletions, writes): (Vec<_>, Vec<_>) =
        call.changes.iter().partition(|change| matches!(change.change, Change::Delete { .. }));
    for RebaseChange { change, base } in deletions.into_iter().chain(writes) {
        let base = base.as_deref().or_else(|| old_contents.get(change.path()).map(Vec::as_slice));
        let outcome = match change {
            Change::Delete { path } => apply_deletion(root, path, base),
            Change::Write { path, mode, content, .. } => apply_write(root, &git, state, path, *mode, content, base),
        };
        let path = change.path().to_owned();
        match outcome {
            Ok(Applied::Written) => rebased.written.push(path),
            Ok(Applied::Deleted) => rebased.deleted.push(path),
            Ok(Applied::Merged) => rebased.merged.push(path),
            Ok(Applied::Conflict(reason)) => rebased.conflicts.push(Conflict { path, reason: reason.to_owned() }),
            // Something of another kind is in the way in the new base. The other paths can still be applied.
            Err(error @ (ToolError::WrongType { .. } | ToolError::LinkRefused { .. })) => {
                rebased.conflicts.push(Conflict { path, reason: format!("not applied: {error}") });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(rebased)
}

enum Applied {
    Written,
    Deleted,
    Merged,
    Conflict(&'static str),
}

/// The file or link at a path in the new base.
struct Current {
    is_link: bool,
    /// For a link, its target.
    content: Vec<u8>,
}

fn current(root: &Root, path: &str) -> Result<Option<Current>, ToolError> {
    let located = match root.locate_exact(&RelativePath::exact(path)?) {
        Ok(located) => located,
        // Nothing exists below a file. A later write reports that the file is in the way.
        Err(ToolError::WrongType { .. } | ToolError::LinkRefused { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(match located.found {
        Found::Nothing | Found::Directory | Found::Other => None,
        Found::Link => Some(Current { is_link: true, content: located.link_target()? }),
        Found::File(_) => {
            Some(Current { is_link: false, content: located.read(MAX_MERGED_BYTES, "It cannot be merged.")? })
        }
    })
}

fn apply_deletion(root: &Root, path: &str, base: Option<&[u8]>) -> Result<Applied, ToolError> {
    let Some(current) = current(root, path)? else { return Ok(Applied::Deleted) };
    match base {
        Some(base) if base == current.content => delete(root, path).map(|()| Applied::Deleted),
        Some(_) => Ok(Applied::Conflict(
            "deleted by the changes, but modified in the new base; the new base's version was kept",
        )),
        None => Ok(Applied::Conflict(
            "deleted by the changes, but its old content is not known; the new base's version was kept",
        )),
    }
}

fn apply_write(
    root: &Root,
    git: &Git,
    state: &Path,
    path: &str,
    mode: Mode,
    content: &[u8],
    base: Option<&[u8]>,
) -> Result<Applied, ToolError> {
    let put = |content: &[u8]| write(root, path, mode, content);
    let Some(current) = current(root, path)? else {
        put(content)?;
        return Ok(match base {
            None => Applied::Written,
            Some(_) => Applied::Conflict(
                "deleted in the new base, but modified by the changes; the changed version was written",
            ),
        });
    };
    let is_link = mode == Mode::Symlink;
    let is_untouched = base == Some(current.content.as_slice());
    if (content == current.content && is_link == current.is_link) || is_untouched {
        return put(content).map(|()| Applied::Written);
    }
    if base == Some(content) && !is_link && !current.is_link {
        // The changes modified only the mode, and the new base modified only the content.
        return put(&current.content).map(|()| Applied::Merged);
    }
    if is_link || current.is_link {
        put(content)?;
        return Ok(Applied::Conflict("a symbolic link on one side or both; the changed version was written"));
    }
    let sides = [current.content.as_slice(), base.unwrap_or_default(), content];
    if sides.iter().any(|side| magic::binary(side).is_some()) {
        put(content)?;
        return Ok(Applied::Conflict("a binary file that both sides changed; the changed version was written"));
    }
    let (merged, is_clean) = merge(git, state, sides)?;
    put(&merged)?;
    Ok(match (is_clean, base) {
        (true, _) => Applied::Merged,
        (false, Some(_)) => Applied::Conflict("both sides changed the same lines; the file has conflict markers"),
        (false, None) => Applied::Conflict("both sides have a new file here; the file has conflict markers"),
    })
}

/// Merges the sides `[new base, old base, changed]`, with conflict markers where they collide, and returns whether the merge
/// is without conflicts.
fn merge(git: &Git, state: &Path, sides: [&[u8]; 3]) -> Result<(Vec<u8>, bool), ToolError> {
    let directory = state.join(format!("merge-{}", std::process::id()));
    let names = ["new", "old", "changed"].map(|name| directory.join(name));
    let written = fs::create_dir_all(&directory)
        .and_then(|()| names.iter().zip(sides).try_for_each(|(name, side)| fs::write(name, side)));
    let merged = written.map_err(ToolError::io("writing to", directory.display().to_string())).and_then(|()| {
        let [new, old, changed] = names.each_ref().map(|name| name.to_string_lossy().into_owned());
        let labels = ["-L", "new base", "-L", "old base", "-L", "this session"];
        let mut arguments = vec!["merge-file", "-p", "--diff3"];
        arguments.extend(labels);
        arguments.extend([new.as_str(), old.as_str(), changed.as_str()]);
        let output = git.run(&arguments, b"", 4 * MAX_MERGED_BYTES)?;
        match output.code {
            // The exit code is the number of conflicts, at most 127; a greater one is a failure.
            Some(conflicts @ 0..=127) if !output.is_cut => Ok((output.stdout, conflicts == 0)),
            Some(_) | None => Err(output.failure(&arguments)),
        }
    });
    // A directory that stays behind is harmless, so a failure to remove it does not matter.
    let _ = fs::remove_dir_all(&directory);
    merged
}

/// The contents in the old base of the paths that carry none, as far as the clone contains its objects.
fn old_contents(git: &Git, call: &Rebase) -> Result<BTreeMap<String, Vec<u8>>, ToolError> {
    let Some(commit) = call.old_base.as_deref() else { return Ok(BTreeMap::new()) };
    if !is_object_id(commit) {
        return Err(ToolError::Invalid(format!("old_base must be a full commit id, not {commit:?}.")));
    }
    // A newline would end the name in git's input; such a path has no known base content.
    let paths: Vec<&str> = call
        .changes
        .iter()
        .filter(|change| change.base.is_none())
        .map(|change| change.change.path())
        .filter(|path| !path.contains('\n'))
        .collect();
    let names: Vec<String> = paths.iter().map(|path| format!("{commit}:{path}")).collect();
    let mut contents = BTreeMap::new();
    git.read_objects(&names, TreeLinks::Keep, MAX_MERGED_BYTES, |index, object| {
        if let (Some(path), Object::Blob(content)) = (paths.get(index), object) {
            contents.insert((*path).to_owned(), content);
        }
    })?;
    Ok(contents)
}
