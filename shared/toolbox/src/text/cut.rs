//! Cuts texts for a reader and tells the reader what was left out.

/// The first `limit` characters of `text`, and the number of characters after them.
pub(crate) fn characters(text: &str, limit: usize) -> (&str, usize) {
    match text.char_indices().nth(limit) {
        None => (text, 0),
        Some((end, _)) => (&text[..end], text[end..].chars().count()),
    }
}

/// The first `limit` characters of a line, with a note of how many are missing.
pub(crate) fn line(text: &str, limit: usize) -> String {
    match characters(text, limit) {
        (text, 0) => text.to_owned(),
        (head, left_out) => format!("{head}… [{left_out} more characters]"),
    }
}

/// The first `limit` lines of `text`, and whether there are more.
pub(crate) fn lines(text: &str, limit: usize) -> (&str, bool) {
    match text.match_indices('\n').nth(limit.saturating_sub(1)) {
        Some((end, _)) if end + 1 < text.len() => (&text[..=end], true),
        Some(_) | None => (text, false),
    }
}

/// The first `limit` bytes of `content`, or up to three less, so that no UTF-8 character is cut in two.
pub(crate) fn bytes(content: &[u8], limit: usize) -> &[u8] {
    match content.get(..limit) {
        Some(head) if head.len() < content.len() => complete(head),
        Some(_) | None => content,
    }
}

/// `head`, the beginning of a longer text, without an incomplete UTF-8 character at its end.
pub(crate) fn complete(head: &[u8]) -> &[u8] {
    // A character has at most four bytes, and only its first is not a continuation byte (0b10......).
    let last = head.iter().rev().take(4).position(|byte| byte & 0b1100_0000 != 0b1000_0000);
    let Some(back) = last else { return head };
    let (before, tail) = head.split_at(head.len() - back - 1);
    let is_incomplete = str::from_utf8(tail).is_err_and(|error| error.error_len().is_none());
    if is_incomplete { before } else { head }
}

/// Bytes as text, with each byte that is not UTF-8 written as `\xNN`, and whether there was any.
pub(crate) fn decode(bytes: &[u8]) -> (String, bool) {
    let mut text = String::with_capacity(bytes.len());
    let mut has_invalid = false;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            has_invalid = true;
            text.push_str(&format!("\\x{byte:02X}"));
        }
    }
    (text, has_invalid)
}

/// `1 line`, `2 lines`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
