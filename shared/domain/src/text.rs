//! Texts that people read: cut to a length, put on one line, without what controls a terminal.
//!
//! Every text that is shortened for a reader is shortened here, so that a cut looks the same everywhere.

use std::borrow::Cow;

/// Replaces the end of a text that was cut.
const ELLIPSIS: char = '…';

/// `text`, cut to at most `max` characters. The ellipsis of a cut is one of them.
pub fn shorten(text: &str, max: usize) -> Cow<'_, str> {
    if text.char_indices().nth(max).is_none() {
        return Cow::Borrowed(text);
    }
    let end = text.char_indices().nth(max.saturating_sub(1)).map_or(text.len(), |(end, _)| end);
    Cow::Owned(text[..end].chars().chain((max > 0).then_some(ELLIPSIS)).collect())
}

/// `text`, cut to at most `max` bytes, the ellipsis of a cut included; for limits that count bytes.
pub fn shorten_to_bytes(text: &str, max: usize) -> Cow<'_, str> {
    if text.len() <= max {
        return Cow::Borrowed(text);
    }
    let end = text.floor_char_boundary(max.saturating_sub(ELLIPSIS.len_utf8()));
    Cow::Owned(text[..end].chars().chain([ELLIPSIS]).collect())
}

/// The whole text on one line: white space of every kind becomes single spaces, control characters are removed.
pub fn one_line(text: &str) -> String {
    let words = text.split_whitespace().map(|word| word.chars().filter(|c| !c.is_control()).collect::<String>());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The first line that is not blank, trimmed; empty when there is none.
pub fn first_line(text: &str) -> &str {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}

/// `text` with every character that controls a terminal or the reading direction replaced by U+FFFD, except line breaks and
/// tabs.
///
/// Much of what is printed comes from models and repositories, and must not move the cursor or hide a part of a line.
pub fn printable(text: &str) -> Cow<'_, str> {
    replace_where(text, |c| controls_terminal(c) && c != '\n' && c != '\t')
}

/// Like [`printable`], for a text that has to stay on its line: line breaks and tabs are replaced, too.
pub fn printable_line(text: &str) -> Cow<'_, str> {
    replace_where(text, controls_terminal)
}

fn replace_where(text: &str, unprintable: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&unprintable) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if unprintable(c) { '\u{fffd}' } else { c }).collect())
}

/// Control characters, marks and overrides of direction, separators of lines and paragraphs.
fn controls_terminal(c: char) -> bool {
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
    fn a_printable_line_stays_on_one_line_and_controls_no_terminal() {
        assert_eq!(one_line("  a\tb\r\n\nc\u{7}d \u{1b} "), "a b cd");
        assert_eq!(first_line("\n  \n first \nsecond"), "first");
        assert_eq!(printable("a\n\tb\u{1b}[2J\u{202e}"), "a\n\tb\u{fffd}[2J\u{fffd}");
        assert_eq!(printable_line("a\nb"), "a\u{fffd}b");
        assert!(matches!(printable("plain, naïve, 日本語"), Cow::Borrowed(_)));
    }
}
