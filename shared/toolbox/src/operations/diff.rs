//! `diff`: compares the workspace with the base commit, for people and models to read.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::change::Skipped;
use crate::error::ToolError;
use crate::files::root::Root;
use crate::git::base::Base;
use crate::git::stage::{StageLimits, skipped, stage};
use crate::text::cut;

use super::collect::Limits;

/// Characters in one answer if the call sets no limit.
const DEFAULT_CHARACTERS: usize = 100_000;
/// Maximum that a call can set as its limit.
const MAX_CHARACTERS: usize = 4_000_000;
/// Room for the counts that git writes before the diff, in bytes.
const MAX_COUNTS_BYTES: u64 = 8 << 20;
/// Maximum left-out paths in one answer.
const MAX_SKIPPED: usize = 100;

/// Requests the unified diff, including untracked files and with renames detected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diff {
    /// Maximum characters in the answer: 100,000 by default, 4,000,000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_characters: Option<usize>,
}

/// The unified diff.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diffed {
    /// Bytes that are not UTF-8 are written as `\xNN`, so the diff is for reading and not for `git apply`.
    pub diff: String,
    /// Whether `diff` is only the beginning.
    pub cut: bool,
    /// The number of files in the whole diff.
    pub files: usize,
    /// Lines in the whole diff.
    pub additions: u64,
    pub deletions: u64,
    /// The paths that differ but were left out, at most 100.
    pub skipped: Vec<Skipped>,
}

pub(crate) fn diff(root: &Root, state: &Path, call: &Diff) -> Result<Diffed, ToolError> {
    let (base, git) = Base::open(state, root.path())?;
    let Limits { files, bytes_per_file, .. } = Limits::default();
    let mut skipped = skipped(stage(&git, root, StageLimits { files, bytes_per_file })?);
    skipped.truncate(MAX_SKIPPED);
    let limit = call.max_characters.unwrap_or(DEFAULT_CHARACTERS).min(MAX_CHARACTERS);
    let arguments =
        ["diff-index", "--cached", "--numstat", "-p", "-M", "--no-color", "--no-ext-diff", "--no-textconv", &base.tree];
    // A character has at most four bytes. Before the text, git writes the counts, one line per file.
    let output = git.run(&arguments, b"", 4 * limit as u64 + MAX_COUNTS_BYTES)?;
    if output.code != Some(0) && !output.is_cut {
        return Err(output.failure(&arguments));
    }
    let (counts, text) = match memchr::memmem::find(&output.stdout, b"\n\n") {
        Some(end) => (&output.stdout[..end], &output.stdout[end + 2..]),
        None => (output.stdout.as_slice(), b"".as_slice()),
    };
    let mut diffed = Diffed { skipped, ..Diffed::default() };
    for line in counts.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let line = String::from_utf8_lossy(line);
        let mut columns = line.split('\t');
        let mut number = || columns.next().and_then(|number| number.parse::<u64>().ok()).unwrap_or_default();
        diffed.additions += number();
        diffed.deletions += number();
        diffed.files += 1;
    }
    let (text, _) = cut::decode(text);
    let (head, left_out) = cut::characters(&text, limit);
    diffed.cut = left_out > 0 || output.is_cut;
    diffed.diff = head.to_owned();
    if diffed.cut {
        diffed.diff.push_str("\n[The diff continues; it was cut here.]\n");
    }
    Ok(diffed)
}
