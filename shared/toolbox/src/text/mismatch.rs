//! Explains to a model why its text was not found: the most likely cause and the most similar lines.

use std::collections::BTreeSet;

use super::{cut, lines};

/// Maximum lines of a file that are compared to find the most similar one; an edit must stay fast in a large file.
const MAX_COMPARED_LINES: usize = 20_000;
/// Maximum lines of the file that a hint quotes.
const MAX_QUOTED_LINES: usize = 8;

/// A hint for a model whose `needle` does not occur in `content`. Both have `\n` endings.
pub(crate) fn hint(content: &[u8], needle: &[u8]) -> String {
    let height = lines::with_endings(needle).len();
    if has_line_numbers(needle) {
        return "It seems to contain the line numbers that view prints before each line; give the text without them."
            .to_owned();
    }
    if let Some(line) = find_folded(content, needle, |byte| (!byte.is_ascii_whitespace()).then_some(byte)) {
        return format!(
            "It differs from the file only in white space (indentation, tabs, blank or trailing spaces). The file has:\n{}",
            excerpt(content, line, height)
        );
    }
    if let Some(line) = find_folded(content, needle, |byte| Some(byte.to_ascii_lowercase())) {
        return format!(
            "It differs from the file only in upper and lower case. The file has:\n{}",
            excerpt(content, line, height)
        );
    }
    match nearest(content, needle) {
        Some(line) => format!(
            "The file may have changed since it was viewed. The nearest lines are:\n{}",
            excerpt(content, line, height)
        ),
        None => "Nothing in the file resembles it. View the file to see what it holds.".to_owned(),
    }
}

/// The line, counted from 0, at which the needle occurs after `fold` has replaced or dropped each byte on both sides.
fn find_folded(content: &[u8], needle: &[u8], fold: impl Fn(u8) -> Option<u8>) -> Option<usize> {
    let needle: Vec<u8> = needle.iter().filter_map(|byte| fold(*byte)).collect();
    if needle.is_empty() {
        return None;
    }
    let folded: Vec<u8> = content.iter().filter_map(|byte| fold(*byte)).collect();
    let at = memchr::memmem::find(&folded, &needle)?;
    let (position, _) = content.iter().enumerate().filter(|(_, byte)| fold(**byte).is_some()).nth(at)?;
    Some(memchr::memchr_iter(b'\n', &content[..position]).count())
}

fn has_line_numbers(needle: &[u8]) -> bool {
    let lines = lines::with_endings(needle);
    !lines.is_empty()
        && lines.iter().all(|line| {
            let rest = line.trim_ascii_start();
            let number = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            number > 0 && rest.get(number) == Some(&b'\t')
        })
}

/// The line, counted from 0, that shares most words with the first line of the needle that has any.
fn nearest(content: &[u8], needle: &[u8]) -> Option<usize> {
    let wanted = lines::with_endings(needle).into_iter().map(words).find(|words| !words.is_empty())?;
    lines::with_endings(content)
        .into_iter()
        .take(MAX_COMPARED_LINES)
        .enumerate()
        .filter_map(|(index, line)| {
            let found = words(line);
            let common = wanted.intersection(&found).count();
            // Dice's coefficient in thousandths. A third or less of shared words is taken for chance.
            let similarity = 2_000 * common / (wanted.len() + found.len()).max(1);
            (similarity > 333).then_some((similarity, index))
        })
        .max_by_key(|(similarity, index)| (*similarity, std::cmp::Reverse(*index)))
        .map(|(_, index)| index)
}

fn words(line: &[u8]) -> BTreeSet<&[u8]> {
    line.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_' && byte.is_ascii())
        .filter(|word| !word.is_empty())
        .collect()
}

fn excerpt(content: &[u8], first: usize, height: usize) -> String {
    let shown = height.clamp(1, MAX_QUOTED_LINES);
    let mut text: String = lines::with_endings(content)
        .iter()
        .enumerate()
        .skip(first)
        .take(shown)
        .map(|(index, line)| cut::line(lines::numbered(index + 1, line).text.trim_end(), 300) + "\n")
        .collect();
    text.truncate(text.trim_end().len());
    text
}
