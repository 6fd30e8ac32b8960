//! Counts the lines in which two versions of a file differ.

use imara_diff::{Algorithm, Diff, InternedInput};

/// Maximum size of a version whose lines are counted, in bytes. Comparing larger ones could take seconds.
const MAX_COUNTED_BYTES: usize = 4 << 20;

/// Maximum lines of a version that are counted. The comparison takes the longer the more lines are alike.
const MAX_COUNTED_LINES: usize = 50_000;

/// How much of a file git examines to tell whether it is binary.
const EXAMINED_BYTES: usize = 8_000;

/// The lines added and deleted between two versions; none for binary and for very large files.
pub(crate) fn count(before: &[u8], after: &[u8]) -> (u64, u64) {
    if [before, after].iter().any(|side| is_too_large(side) || is_binary(side)) {
        return (0, 0);
    }
    let mut input = InternedInput::default();
    input.update_before(lines(before));
    input.update_after(lines(after));
    let diff = Diff::compute(Algorithm::Myers, &input);
    (u64::from(diff.count_additions()), u64::from(diff.count_removals()))
}

fn is_too_large(content: &[u8]) -> bool {
    content.len() > MAX_COUNTED_BYTES || memchr::memchr_iter(b'\n', content).count() > MAX_COUNTED_LINES
}

fn is_binary(content: &[u8]) -> bool {
    memchr::memchr(0, &content[..content.len().min(EXAMINED_BYTES)]).is_some()
}

fn lines(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    content.split_inclusive(|byte| *byte == b'\n')
}
