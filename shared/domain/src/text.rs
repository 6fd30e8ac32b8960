//! Texts that people read: cut to a length, brought onto one line, rid of what steers a terminal.
//!
//! Every place that shortens a text for a reader does it here, so that a cut looks the same everywhere.

use std::borrow::Cow;

/// Stands where the end of a text was cut off.
const ELLIPSIS: char = '…';

/// At most `max` characters of `text`. A longer one loses its end and gets an ellipsis, which counts as one of them.
pub fn shorten(text: &str, max: usize) -> Cow<'_, str> {
    if text.char_indices().nth(max).is_none() {
        return Cow::Borrowed(text);
    }
    let kept = max.saturating_sub(1);
    let end = text.char_indices().nth(kept).map_or(text.len(), |(end, _)| end);
    Cow::Owned(text[..end].chars().chain((max > 0).then_some(ELLIPSIS)).collect())
}

/// At most `max` bytes of `text`, the ellipsis of a cut included; for places that count bytes.
pub fn shorten_to_bytes(text: &str, max: usize) -> Cow<'_, str> {
    if text.len() <= max {
        return Cow::Borrowed(text);
    }
    let end = text.floor_char_boundary(max.saturating_sub(ELLIPSIS.len_utf8()));
    Cow::Owned(text[..end].chars().chain([ELLIPSIS]).collect())
}

/// The whole text on one line: white space of every kind becomes single spaces, control characters go.
pub fn one_line(text: &str) -> String {
    let words = text.split_whitespace().map(|word| word.chars().filter(|c| !c.is_control()).collect::<String>());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The first line that is not blank, trimmed; empty when there is none.
pub fn first_line(text: &str) -> &str {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}

/// `text` with what steers a terminal or reverses the reading direction replaced by U+FFFD; line breaks and tabs stay.
///
/// Much of what is printed comes from models and repositories, and must not move the cursor or hide a part of a line.
pub fn printable(text: &str) -> Cow<'_, str> {
    let steers = |c: char| steers_terminal(c) && c != '\n' && c != '\t';
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect())
}

/// The same for a text that has to stay on its line: line breaks and tabs are replaced, too.
pub fn printable_line(text: &str) -> Cow<'_, str> {
    if !text.contains(steers_terminal) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if steers_terminal(c) { '\u{fffd}' } else { c }).collect())
}

/// Control characters, marks and overrides of direction, separators of lines and paragraphs.
fn steers_terminal(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_never_exceeds_its_length_and_never_splits_a_character() {
        for (text, max, shown) in [
            ("", 0, ""),
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("日本語です", 3, "日本…"),
            ("abc", 1, "…"),
            ("abc", 0, ""),
        ] {
            assert_eq!(shorten(text, max), shown);
        }
        assert_eq!(shorten_to_bytes("日本語です", 9), "日本…");
        assert_eq!(shorten_to_bytes("abc", 3), "abc");
    }

    #[test]
    fn a_line_is_one_line_and_steers_no_terminal() {
        assert_eq!(one_line("  a\tb\r\n\nc\u{7}d \u{1b} "), "a b cd");
        assert_eq!(first_line("\n  \n first \nsecond"), "first");
        assert_eq!(printable("a\n\tb\u{1b}[2J\u{202e}"), "a\n\tb\u{fffd}[2J\u{fffd}");
        assert_eq!(printable_line("a\nb"), "a\u{fffd}b");
        assert!(matches!(printable("plain, naïve, 日本語"), Cow::Borrowed(_)));
    }
}
