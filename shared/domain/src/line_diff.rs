//! How two versions of a file differ, line by line.

use std::fmt::Write as _;
use std::ops::Range;
use std::time::{Duration, Instant};

use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices_deadline, group_diff_ops};

/// Maximum size of a version that is compared, in bytes.
const MAX_FILE_BYTES: usize = 1024 * 1024;

/// Maximum lines of a version that is compared. With more the comparison takes too long and recurses too deep.
const MAX_LINES: usize = 20_000;

/// Unchanged lines around each change of a patch, as in git.
const CONTEXT_LINES: usize = 3;

/// The difference between two versions of a text file. A line ends with a line feed, as for git.
pub struct LineDiff<'a> {
    old: Vec<&'a str>,
    new: Vec<&'a str>,
    operations: Vec<DiffOp>,
}

/// Lines that a change adds and deletes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LineCounts {
    pub additions: u64,
    pub deletions: u64,
}

/// Why two versions are not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Incomparable {
    #[error("the file is too large to be compared")]
    Size,
    #[error("the file has too many lines to be compared")]
    Lines,
    #[error("the file is binary")]
    Binary,
}

impl<'a> LineDiff<'a> {
    /// Time limit for comparing two versions. Far more than two that people have written need.
    pub const TIMEOUT: Duration = Duration::from_secs(1);

    /// Compares two versions; an empty one stands for a file that does not exist. What is not compared until `deadline` counts
    /// as changed. May take as long as that, so it must not run on an async runtime's own threads.
    ///
    /// # Errors
    /// [`Incomparable`] when one of them is no text or too large.
    pub fn compare(old: &'a [u8], new: &'a [u8], deadline: Instant) -> Result<Self, Incomparable> {
        if old.len().max(new.len()) > MAX_FILE_BYTES {
            return Err(Incomparable::Size);
        }
        let (old, new) = (lines(old)?, lines(new)?);
        if old.len().max(new.len()) > MAX_LINES {
            return Err(Incomparable::Lines);
        }
        // The exact algorithm: with the heuristics of the other one, a file of ten lines can seem to change more than it does.
        let operations = capture_diff_slices_deadline(Algorithm::RawMyers, &old, &new, Some(deadline));
        Ok(Self { old, new, operations })
    }

    pub fn counts(&self) -> LineCounts {
        let mut counts = LineCounts::default();
        for operation in &self.operations {
            if operation.tag() != DiffTag::Equal {
                counts.additions += operation.new_range().len() as u64;
                counts.deletions += operation.old_range().len() as u64;
            }
        }
        counts
    }

    /// The difference in git's patch format, under the names of both versions; empty when they are the same.
    pub fn patch(&self, from: &str, to: &str) -> String {
        let mut patch = String::new();
        for hunk in group_diff_ops(self.operations.clone(), CONTEXT_LINES) {
            let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { continue };
            if patch.is_empty() {
                let _ = writeln!(patch, "--- {from}\n+++ {to}");
            }
            let old = position(first.old_range().start..last.old_range().end);
            let new = position(first.new_range().start..last.new_range().end);
            let _ = writeln!(patch, "@@ -{old} +{new} @@");
            for operation in &hunk {
                if operation.tag() == DiffTag::Equal {
                    put(&mut patch, ' ', &self.old[operation.old_range()]);
                } else {
                    put(&mut patch, '-', &self.old[operation.old_range()]);
                    put(&mut patch, '+', &self.new[operation.new_range()]);
                }
            }
        }
        patch
    }
}

impl std::ops::AddAssign for LineCounts {
    fn add_assign(&mut self, other: Self) {
        self.additions += other.additions;
        self.deletions += other.deletions;
    }
}

fn lines(version: &[u8]) -> Result<Vec<&str>, Incomparable> {
    match str::from_utf8(version) {
        Ok(text) if !text.contains('\0') => Ok(text.split_inclusive('\n').collect()),
        Ok(_) | Err(_) => Err(Incomparable::Binary),
    }
}

/// Where lines stand: the number of the first and how many they are. No lines stand after the line with that number.
fn position(lines: Range<usize>) -> String {
    let start = if lines.is_empty() { lines.start } else { lines.start + 1 };
    format!("{start},{}", lines.len())
}

fn put(patch: &mut String, sign: char, lines: &[&str]) {
    for line in lines {
        patch.push(sign);
        patch.push_str(line);
        if !line.ends_with('\n') {
            patch.push_str("\n\\ No newline at end of file\n");
        }
    }
}
