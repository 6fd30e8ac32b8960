//! Lines of a file, numbered as `cat -n` numbers them.

use super::cut;

/// Longer lines are cut when shown.
pub(crate) const MAX_LINE: usize = 2_000;
/// Lines around an edit that its answer shows.
const CONTEXT: usize = 4;
/// Lines of an edit's answer; more are left out in the middle.
const MAX_SNIPPET: usize = 100;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Length of the byte order mark at the beginning, or 0.
pub(crate) fn mark_length(content: &[u8]) -> usize {
    if content.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 }
}

/// The lines with their endings. A final newline ends the last line and begins no other.
pub(crate) fn with_endings(content: &[u8]) -> Vec<&[u8]> {
    content.split_inclusive(|byte| *byte == b'\n').collect()
}

/// A line without its ending.
pub(crate) fn without_ending(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A line as it is shown.
pub(crate) struct Numbered {
    /// With its number and a newline.
    pub(crate) text: String,
    /// It held bytes that are not UTF-8.
    pub(crate) foreign: bool,
    /// It was too long to be shown whole.
    pub(crate) shortened: bool,
}

pub(crate) fn numbered(number: usize, line: &[u8]) -> Numbered {
    let (text, foreign) = cut::decode(without_ending(line));
    let shortened = cut::characters(&text, MAX_LINE).1 > 0;
    Numbered { text: format!("{number:6}\t{}\n", cut::line(&text, MAX_LINE)), foreign, shortened }
}

/// The lines around a change, numbered. `first` and `count` say which lines are new, counted from 0.
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

/// How many lines an edit added and took away: what differs between the common beginning and the common end.
pub(crate) fn count_changes(before: &[u8], after: &[u8]) -> (usize, usize) {
    let (before, after) = (with_endings(before), with_endings(after));
    let shorter = before.len().min(after.len());
    let prefix = before.iter().zip(&after).take_while(|(old, new)| old == new).count();
    let suffix =
        before.iter().rev().zip(after.iter().rev()).take(shorter - prefix).take_while(|(old, new)| old == new).count();
    (after.len() - prefix - suffix, before.len() - prefix - suffix)
}
