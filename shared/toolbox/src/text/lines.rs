//! The lines of a file, numbered as `cat -n` numbers them.

use super::cut;

/// Maximum characters of one shown line.
const MAX_LINE: usize = 2_000;
/// Unchanged lines that an edit's answer shows before and after it.
const CONTEXT: usize = 4;
/// Maximum lines in an edit's answer; beyond it the middle is left out.
const MAX_SNIPPET: usize = 100;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The length in bytes of the byte order mark at the beginning; 0 without one.
pub(crate) fn mark_length(content: &[u8]) -> usize {
    if content.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 }
}

/// The lines with their endings. A final newline ends the last line and does not begin another.
pub(crate) fn with_endings(content: &[u8]) -> Vec<&[u8]> {
    content.split_inclusive(|byte| *byte == b'\n').collect()
}

/// A line without its ending.
pub(crate) fn without_ending(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A line with its number, as it is shown.
pub(crate) struct Numbered {
    /// Ends in a newline.
    pub(crate) text: String,
    /// Whether the line holds bytes that are not UTF-8.
    pub(crate) has_invalid: bool,
    pub(crate) is_cut: bool,
}

pub(crate) fn numbered(number: usize, line: &[u8]) -> Numbered {
    let (text, has_invalid) = cut::decode(without_ending(line));
    let is_cut = cut::characters(&text, MAX_LINE).1 > 0;
    Numbered { text: format!("{number:6}\t{}\n", cut::line(&text, MAX_LINE)), has_invalid, is_cut }
}

/// The changed lines and the lines around them, numbered. `first` is the first changed line, counted from 0.
pub(crate) fn snippet(content: &[u8], first: usize, count: usize) -> String {
    let lines = with_endings(&content[mark_length(content)..]);
    let begin = first.saturating_sub(CONTEXT);
    let end = (first + count + CONTEXT).min(lines.len());
    let shown = end.saturating_sub(begin);
    let mut text = String::new();
    for (offset, line) in lines.iter().take(end).skip(begin).enumerate() {
        if shown > MAX_SNIPPET && offset == MAX_SNIPPET / 2 {
            text.push_str(&format!("[{} left out]\n", cut::counted(shown - MAX_SNIPPET, "line")));
        }
        if shown <= MAX_SNIPPET || offset < MAX_SNIPPET / 2 || offset >= shown - MAX_SNIPPET / 2 {
            text.push_str(&numbered(begin + offset + 1, line).text);
        }
    }
    text
}

/// The numbers of lines that an edit added and removed: those between the common beginning and the common end.
pub(crate) fn count_changes(before: &[u8], after: &[u8]) -> (usize, usize) {
    let (before, after) = (with_endings(before), with_endings(after));
    let (prefix, suffix) = common_ends(&before, &after);
    (after.len() - prefix - suffix, before.len() - prefix - suffix)
}

/// The lengths of the common beginning and of the common end, which do not overlap.
pub(crate) fn common_ends<T: PartialEq>(old: &[T], new: &[T]) -> (usize, usize) {
    let prefix = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old, new) = (&old[prefix..], &new[prefix..]);
    let suffix = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    (prefix, suffix)
}
