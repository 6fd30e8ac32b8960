//! `rebase`: lays changes made against an old base over a checkout of a new one, three-way.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::restore::{delete, validate, write};
use crate::change::{Change, Conflict, Mode, optional_base64};
use crate::error::ToolError;
use crate::files::path::RelativePath;
use crate::files::root::{Found, Root};
use crate::git::Git;
use crate::git::base::{Base, is_object_id};
use crate::git::objects::{Object, TreeLinks};
use crate::text::magic;

/// The largest file that is merged, in bytes.
const MAX_MERGED_BYTES: u64 = 64 << 20;

/// Changes against the old base, for a workspace that is at the new one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rebase {
    pub changes: Vec<RebaseChange>,
    /// The old base commit. Where a change brings no base content and this commit is among the clone's objects, the
    /// content is read from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_base: Option<String>,
}

/// One change and what it started from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RebaseChange {
    pub change: Change,
    /// What the old base had at the path; none when it had nothing, or when it is not known.
    #[serde(default, rename = "base_base64", with = "optional_base64", skip_serializing_if = "Option::is_none")]
    pub base: Option<Vec<u8>>,
}

/// How the changes went on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rebased {
    /// Paths written as the changes have them, or already so.
    pub written: Vec<String>,
    /// Paths deleted, or already gone.
    pub deleted: Vec<String>,
    /// Paths where both sides' changes were joined without a conflict.
    pub merged: Vec<String>,
    /// Paths that want a decision.
    pub conflicts: Vec<Conflict>,
}

pub(crate) fn rebase(root: &Root, state: &Path, call: &Rebase) -> Result<Rebased, ToolError> {
    validate(call.changes.iter().map(|change| &change.change))?;
    let (_, git) = Base::open(state, root.path())?;
    let looked_up = old_contents(&git, call)?;
    let mut rebased = Rebased::default();
    let (deletions, writes): (Vec<_>, Vec<_>) =
        call.changes.iter().partition(|change| matches!(change.change, Change::Delete { .. }));
    for RebaseChange { change, base } in deletions.into_iter().chain(writes) {
        let base = base.as_deref().or_else(|| looked_up.get(change.path()).map(Vec::as_slice));
        let outcome = match change {
            Change::Delete { path } => lay_deletion(root, path, base),
            Change::Write { path, mode, content, .. } => lay_write(root, &git, state, path, *mode, content, base),
        };
        let path = change.path().to_owned();
        match outcome {
            Ok(Laid::Written) => rebased.written.push(path),
            Ok(Laid::Deleted) => rebased.deleted.push(path),
            Ok(Laid::Merged) => rebased.merged.push(path),
            Ok(Laid::Conflict(reason)) => rebased.conflicts.push(Conflict { path, reason: reason.to_owned() }),
            // The new base has something of another kind in the way; the other paths can still be laid.
            Err(error @ (ToolError::WrongType { .. } | ToolError::LinkRefused { .. })) => {
                rebased.conflicts.push(Conflict { path, reason: format!("not laid: {error}") });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(rebased)
}

enum Laid {
    Written,
    Deleted,
    Merged,
    Conflict(&'static str),
}

/// What the new base has at a path: its content, or its target if it is a link.
struct Current {
    is_link: bool,
    content: Vec<u8>,
}

fn current(root: &Root, path: &str) -> Result<Option<Current>, ToolError> {
    let located = match root.locate_exact(&RelativePath::exact(path)?) {
        Ok(located) => located,
        // Below a file there is nothing; writing there will tell that the file is in the way.
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

fn lay_deletion(root: &Root, path: &str, base: Option<&[u8]>) -> Result<Laid, ToolError> {
    let Some(current) = current(root, path)? else { return Ok(Laid::Deleted) };
    match base {
        Some(base) if base == current.content => delete(root, path).map(|()| Laid::Deleted),
        Some(_) => {
            Ok(Laid::Conflict("deleted by the changes, modified in the new base; the new base's version was kept"))
        }
        None => Ok(Laid::Conflict(
            "deleted by the changes, but what it was then is not known; the new base's version was kept",
        )),
    }
}

fn lay_write(
    root: &Root,
    git: &Git,
    state: &Path,
    path: &str,
    mode: Mode,
    content: &[u8],
    base: Option<&[u8]>,
) -> Result<Laid, ToolError> {
    let put = |content: &[u8]| write(root, path, mode, content);
    let Some(current) = current(root, path)? else {
        put(content)?;
        return Ok(match base {
            None => Laid::Written,
            Some(_) => {
                Laid::Conflict("deleted in the new base, modified by the changes; the changed version was written")
            }
        });
    };
    let is_link = mode == Mode::Symlink;
    let is_untouched = base == Some(current.content.as_slice());
    if (content == current.content && is_link == current.is_link) || is_untouched {
        return put(content).map(|()| Laid::Written);
    }
    if base == Some(content) && !is_link && !current.is_link {
        // Only the mode was changed, and the new base changed only the content.
        return put(&current.content).map(|()| Laid::Merged);
    }
    if is_link || current.is_link {
        put(content)?;
        return Ok(Laid::Conflict("a symbolic link on one side or both; the changed version was written"));
    }
    let sides = [current.content.as_slice(), base.unwrap_or_default(), content];
    if sides.iter().any(|side| magic::binary(side).is_some()) {
        put(content)?;
        return Ok(Laid::Conflict("a binary file that both sides changed; the changed version was written"));
    }
    let (merged, is_clean) = merge(git, state, sides)?;
    put(&merged)?;
    Ok(match (is_clean, base) {
        (true, _) => Laid::Merged,
        (false, Some(_)) => Laid::Conflict("both sides changed the same lines; the file has conflict markers"),
        (false, None) => Laid::Conflict("both sides have a new file here; the file has conflict markers"),
    })
}

/// Joins `[new base, old base, changed]`, with markers where they collide, and says whether nowhere.
fn merge(git: &Git, state: &Path, sides: [&[u8]; 3]) -> Result<(Vec<u8>, bool), ToolError> {
    let directory = state.join(format!("merge-{}", std::process::id()));
    let names = ["new", "old", "changed"].map(|name| directory.join(name));
    let prepared = fs::create_dir_all(&directory)
        .and_then(|()| names.iter().zip(sides).try_for_each(|(name, side)| fs::write(name, side)));
    let merged = prepared.map_err(ToolError::io("writing to", directory.display().to_string())).and_then(|()| {
        let [new, old, changed] = names.each_ref().map(|name| name.to_string_lossy().into_owned());
        let labels = ["-L", "new base", "-L", "old base", "-L", "this session"];
        let mut arguments = vec!["merge-file", "-p", "--diff3"];
        arguments.extend(labels);
        arguments.extend([new.as_str(), old.as_str(), changed.as_str()]);
        let output = git.run(&arguments, b"", 4 * MAX_MERGED_BYTES)?;
        match output.code {
            // The exit code is the number of conflicts, 127 for more; beyond it, a failure.
            Some(conflicts @ 0..=127) if !output.cut => Ok((output.stdout, conflicts == 0)),
            Some(_) | None => Err(output.failure(&arguments)),
        }
    });
    // What stays behind is in the way of nothing.
    let _ = fs::remove_dir_all(&directory);
    merged
}

/// What the old base had at the paths that come without it, as far as the clone still knows.
fn old_contents(git: &Git, call: &Rebase) -> Result<BTreeMap<String, Vec<u8>>, ToolError> {
    let Some(commit) = call.old_base.as_deref() else { return Ok(BTreeMap::new()) };
    if !is_object_id(commit) {
        return Err(ToolError::Invalid(format!("old_base must be a full commit id, not {commit:?}.")));
    }
    // Names go to git a line each.
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
