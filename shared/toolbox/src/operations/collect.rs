//! `collect`: collects everything in the workspace that differs from the base commit, as a changeset.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::change::{Change, Mode, Skipped, digest};
use crate::error::ToolError;
use crate::files::path::RelativePath;
use crate::files::root::Root;
use crate::git::base::Base;
use crate::git::objects::{Object, TreeLinks};
use crate::git::stage::{StageLimits, is_left_out, skipped, stage};

/// Maximum left-out paths in one answer; the others are counted.
const MAX_SKIPPED: usize = 1_000;

/// Requests the changeset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collect {
    #[serde(default)]
    pub limits: Limits,
    /// The digest of a changeset that the caller already has. If the digest is still the same, no changes are sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unless: Option<String>,
}

/// The limits of a changeset. Paths that exceed them are left out and listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Maximum number of paths, including deletions. 5,000 by default.
    pub files: usize,
    /// Maximum size of one file. 10 MiB by default.
    pub bytes_per_file: u64,
    /// Maximum size of all files together. 64 MiB by default.
    pub bytes_total: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { files: 5_000, bytes_per_file: 10 << 20, bytes_total: 64 << 20 }
    }
}

/// The changeset, or the answer that it has not changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collected {
    /// Whether the digest is the one in `unless`. Then the changes and everything after them are left empty.
    pub unchanged: bool,
    /// See [`digest`].
    pub digest: String,
    /// Sorted by path.
    #[serde(default)]
    pub changes: Vec<Change>,
    /// The paths that differ but were left out, at most 1,000.
    #[serde(default)]
    pub skipped: Vec<Skipped>,
    /// The number of left-out paths that are not in `skipped`.
    #[serde(default)]
    pub skipped_more: usize,
    /// Lines added by `changes`, without binary files.
    #[serde(default)]
    pub additions: u64,
    /// Lines deleted by `changes`, without binary files.
    #[serde(default)]
    pub deletions: u64,
}

pub(crate) fn collect(root: &Root, state: &Path, call: &Collect) -> Result<Collected, ToolError> {
    let (base, git) = Base::open(state, root.path())?;
    let limits = call.limits;
    let stage_limits = StageLimits { files: limits.files, bytes_per_file: limits.bytes_per_file };
    let mut left_out = stage(&git, root, stage_limits)?;
    let arguments = ["diff-index", "--cached", "--raw", "--numstat", "-z", "--no-abbrev", "--no-renames", &base.tree];
    let mut difference = Difference::parse(&git.output(&arguments, b"")?, &mut left_out);
    difference.entries.retain(|path, _| !is_left_out(&left_out, path));
    for (path, _) in split_after(&mut difference.entries, limits.files) {
        left_out.insert(path, format!("more than {} files differ", limits.files));
    }

    let (mut changes, mut written) = (Vec::new(), Vec::new());
    for (path, entry) in &difference.entries {
        match entry {
            Entry::Delete => changes.push(Change::Delete { path: path.clone() }),
            Entry::Write { mode, object } => written.push((path, *mode, object.clone())),
        }
    }
    let names: Vec<String> = written.iter().map(|(_, _, object)| object.clone()).collect();
    let mut total = 0;
    git.read_objects(&names, TreeLinks::Keep, limits.bytes_per_file, |index, object| {
        let Some((path, mode, _)) = written.get(index) else { return };
        let reason = match object {
            Object::Blob(content) if total + content.len() as u64 <= limits.bytes_total => {
                total += content.len() as u64;
                changes.push(Change::write(path.as_str(), *mode, content));
                return;
            }
            Object::Blob(_) => format!("all changes together would exceed {} bytes", limits.bytes_total),
            Object::Cut { bytes, .. } => format!("it has {bytes} bytes, the limit is {}", limits.bytes_per_file),
            Object::Missing | Object::NotBlob => "its content cannot be read back".to_owned(),
        };
        left_out.insert((*path).clone(), reason);
    })?;
    changes.sort_by(|one, other| one.path().cmp(other.path()));

    let digest = digest(&changes);
    if call.unless.as_ref() == Some(&digest) {
        return Ok(Collected { unchanged: true, digest, ..Collected::default() });
    }
    let (mut additions, mut deletions) = (0, 0);
    for change in &changes {
        let (added, deleted) = difference.lines.get(change.path()).copied().unwrap_or_default();
        additions += added;
        deletions += deleted;
    }
    let mut skipped = skipped(left_out);
    let skipped_more = skipped.len().saturating_sub(MAX_SKIPPED);
    skipped.truncate(MAX_SKIPPED);
    Ok(Collected { unchanged: false, digest, changes, skipped, skipped_more, additions, deletions })
}

/// The difference between base and index, as git reports it.
struct Difference {
    entries: BTreeMap<String, Entry>,
    /// Lines added and deleted, by path.
    lines: BTreeMap<String, (u64, u64)>,
}

enum Entry {
    Delete,
    Write { mode: Mode, object: String },
}

impl Difference {
    /// Parses git's output: `:<old mode> <new mode> <old id> <new id> <status>` and the path for each entry, then
    /// `<added>\t<deleted>\t<path>` for each entry, all terminated by NUL. Paths that a changeset cannot contain go to
    /// `left_out`.
    fn parse(output: &[u8], left_out: &mut BTreeMap<String, String>) -> Self {
        let (mut entries, mut lines) = (BTreeMap::new(), BTreeMap::new());
        let mut fields = output.split(|byte| *byte == 0).filter(|field| !field.is_empty());
        while let Some(field) = fields.next() {
            let text = String::from_utf8_lossy(field);
            let Some(raw) = text.strip_prefix(':') else {
                let mut columns = text.splitn(3, '\t');
                let mut number = || columns.next().and_then(|number| number.parse().ok()).unwrap_or_default();
                let counts = (number(), number());
                lines.insert(columns.next().unwrap_or_default().to_owned(), counts);
                continue;
            };
            let path = fields.next().unwrap_or_default();
            let mut words = raw.split(' ');
            let (old_mode, new_mode) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let object = words.nth(1).unwrap_or_default().to_owned();
            match entry(path, old_mode, new_mode, object) {
                Ok((path, entry)) => drop(entries.insert(path, entry)),
                Err(reason) => {
                    left_out.entry(String::from_utf8_lossy(path).into_owned()).or_insert_with(|| reason.to_owned());
                }
            }
        }
        Self { entries, lines }
    }
}

fn entry(path: &[u8], old_mode: &str, new_mode: &str, object: String) -> Result<(String, Entry), &'static str> {
    let path = str::from_utf8(path).map_err(|_| "its name is not UTF-8")?;
    RelativePath::exact(path).map_err(|_| "its name is not allowed in a repository")?;
    let mode = match new_mode {
        "000000" if old_mode == "160000" => return Err("it is a submodule"),
        "000000" => return Ok((path.to_owned(), Entry::Delete)),
        "100644" => Mode::Regular,
        "100755" => Mode::Executable,
        "120000" => Mode::Symlink,
        "160000" => return Err("it is a submodule or a git repository of its own"),
        _ => return Err("it has an unknown mode"),
    };
    Ok((path.to_owned(), Entry::Write { mode, object }))
}

/// Splits off the entries after the first `count`.
fn split_after(entries: &mut BTreeMap<String, Entry>, count: usize) -> BTreeMap<String, Entry> {
    match entries.keys().nth(count).cloned() {
        Some(first) => entries.split_off(&first),
        None => BTreeMap::new(),
    }
}
