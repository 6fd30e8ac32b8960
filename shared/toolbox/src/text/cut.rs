//! Cutting text for a reader, and saying so.

/// At most `limit` characters of `text`, and how many were left out.
pub(crate) fn characters(text: &str, limit: usize) -> (&str, usize) {
    match text.char_indices().nth(limit) {
        None => (text, 0),
        Some((end, _)) => (&text[..end], text[end..].chars().count()),
    }
}

/// One line of at most `limit` characters, with a note of what is missing.
pub(crate) fn line(text: &str, limit: usize) -> String {
    match characters(text, limit) {
        (text, 0) => text.to_owned(),
        (kept, left_out) => format!("{kept}… [{left_out} more characters]"),
    }
}

/// Bytes as text. What is not UTF-8 is written as `\xNN`, so that it can be told apart; the second value says whether
/// there was any.
pub(crate) fn decode(bytes: &[u8]) -> (String, bool) {
    let mut text = String::with_capacity(bytes.len());
    let mut foreign = false;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            foreign = true;
            text.push_str(&format!("\\x{byte:02X}"));
        }
    }
    (text, foreign)
}

/// `1 line`, `2 lines`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
