//! `collect`: collects everything in the workspace that differs from the base commit, as a changeset.

use std::collections::HashSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::change::{Content, Difference, Skipped, digest, hexadecimal, sha256_hex};
use crate::error::ToolError;
use crate::files::root::Root;
use crate::worktree::left_out::Parts;
use crate::worktree::observations::Outcome;
use crate::worktree::tracker::{Sha256Hash, Tracker};
use crate::worktree::written::Written;

/// Requests the changeset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collect {
    #[serde(default)]
    pub limits: Limits,
    /// The [mark](Collected::mark) of an answer that the caller already has. If it is still the same, nothing is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unless: Option<String>,
    /// The hashes of contents that the caller already has. These contents are not sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<String>,
    /// The paths that tools wrote by name, relative to the workspace. They are part of the change though the repository ignores them,
    /// and come first under every limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub written: Vec<String>,
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
    /// Whether the mark is the one in `unless`. Then the changes and everything after them are left empty.
    pub unchanged: bool,
    /// See [`digest`].
    pub digest: String,
    /// Changes whenever the digest does, or what was left out.
    pub mark: String,
    /// Sorted by path.
    #[serde(default)]
    pub changes: Vec<Difference>,
    /// The contents of the written paths, each once and in no order: those that are not in `known`, and the targets of all
    /// symbolic links.
    #[serde(default)]
    pub contents: Vec<Content>,
    /// The paths that differ but were left out, at most 1,000 beside those in `written`.
    #[serde(default)]
    pub skipped: Vec<Skipped>,
    /// The number of left-out paths that are not in `skipped`.
    #[serde(default)]
    pub skipped_more: usize,
    /// What commands left behind and no tool wrote: folders, with a `/` at the end, and files. At most 1,000.
    #[serde(default)]
    pub leftovers: Vec<Skipped>,
    /// The number of those that are not in `leftovers`.
    #[serde(default)]
    pub leftovers_more: usize,
    /// Those of `written` of which there is nothing to publish: they are as in the base commit, or not there any more.
    #[serde(default)]
    pub unchanged_written: Vec<String>,
}

pub(crate) fn collect(
    root: &Root,
    state: &Path,
    tracker: &mut Tracker,
    call: &Collect,
) -> Result<Collected, ToolError> {
    let known: HashSet<Sha256Hash> = call.known.iter().filter_map(|hash| parse_hash(hash)).collect();
    let written = Written::new(&call.written);
    let comparison = tracker.compare(root, state, call.limits, &written, &known)?;
    let mut collected = Collected::default();
    for (path, outcome) in comparison.changes {
        match outcome {
            Outcome::Same => {}
            Outcome::Written { mode, sha256, bytes } => {
                collected.changes.push(Difference::Write { path, mode, sha256: hexadecimal(&sha256), bytes });
            }
            Outcome::Deleted => collected.changes.push(Difference::Delete { path }),
        }
    }
    collected.digest = digest(&collected.changes);
    let is_changed = |path: &str| collected.changes.binary_search_by(|change| change.path().cmp(path)).is_ok();
    let unchanged = written.iter().filter(|path| !is_changed(path) && !comparison.left_out.names(path));
    collected.unchanged_written = unchanged.map(str::to_owned).collect();
    let parts = comparison.left_out.into_parts();
    collected.mark = mark(&collected.digest, &parts);
    if call.unless.as_ref() == Some(&collected.mark) {
        let Collected { digest, mark, .. } = collected;
        return Ok(Collected { unchanged: true, digest, mark, ..Collected::default() });
    }
    collected.contents = comparison.contents.into_values().map(Content).collect();
    Parts {
        skipped: collected.skipped,
        skipped_more: collected.skipped_more,
        leftovers: collected.leftovers,
        leftovers_more: collected.leftovers_more,
    } = parts;
    Ok(collected)
}

fn mark(digest: &str, parts: &Parts) -> String {
    let Parts { skipped, skipped_more, leftovers, leftovers_more } = parts;
    let mut text = format!("{digest}\0{skipped_more}\0{leftovers_more}\0");
    for Skipped { path, reason } in skipped.iter().chain(leftovers) {
        text.push_str(&format!("{path}\0{reason}\0"));
    }
    sha256_hex(text.as_bytes())
}

/// A SHA-256 hash in hexadecimal; none for anything else, which names no content.
fn parse_hash(text: &str) -> Option<Sha256Hash> {
    let digits = text.as_bytes().chunks_exact(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok());
    digits.collect::<Option<Vec<u8>>>()?.try_into().ok()
}
