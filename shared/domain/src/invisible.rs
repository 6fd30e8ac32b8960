//! Characters that a person does not see but a model reads.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Replaces invisible characters in `text` by their names, so that instructions hidden in a pasted text or a repository do
/// not reach the model unseen. A sequence of them becomes `[hidden: U+200B]` or `[hidden: U+E0041 and 12 more]`.
///
/// Characters with a use in ordinary writing stay when they stand alone or in pairs: joiners (emoji, Persian, Hindi), marks
/// of direction, variation selectors.
pub fn name_invisible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| class(c) != Class::Plain) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut run: Vec<char> = Vec::new();
    for c in text.chars() {
        if class(c) == Class::Plain {
            close(&mut shown, &mut run);
            shown.push(c);
        } else {
            run.push(c);
        }
    }
    close(&mut shown, &mut run);
    Cow::Owned(shown)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Plain,
    /// Ordinary when it stands alone or in a pair.
    Joining,
    Hidden,
}

fn class(c: char) -> Class {
    match c {
        // Joiners, marks of direction, variation selectors, the byte order mark at a beginning.
        '\u{200C}'..='\u{200F}' | '\u{061C}' | '\u{FE00}'..='\u{FE0F}' => Class::Joining,
        // Soft hyphen, fillers, zero width space, vowel separator.
        '\u{00AD}' | '\u{034F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{200B}'
        // Embeddings, overrides and isolates of direction. Line and paragraph separators are visible.
        | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}'
        | '\u{FFF0}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
        // Tags and the second block of variation selectors: whole texts can be encoded in either.
        | '\u{E0000}'..='\u{E0FFF}' => Class::Hidden,
        _ => Class::Plain,
    }
}

fn close(shown: &mut String, run: &mut Vec<char>) {
    let ordinary = run.len() <= 2 && run.iter().all(|c| class(*c) == Class::Joining);
    if ordinary {
        shown.extend(run.iter());
    } else if let Some(first) = run.first() {
        let more = if run.len() == 1 { String::new() } else { format!(" and {} more", run.len() - 1) };
        // Writing to a String cannot fail.
        let _ = write!(shown, "[hidden: U+{:04X}{more}]", u32::from(*first));
    }
    run.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reader_does_not_see_is_named_and_ordinary_writing_stays() {
        for (text, shown) in [
            ("plain text, naïve, 日本語", "plain text, naïve, 日本語"),
            // A family, a heart with its selector, Persian with a non-joiner.
            ("👩\u{200D}👧 ❤\u{FE0F}\u{200D}🔥 می\u{200C}خواهم", "👩\u{200D}👧 ❤\u{FE0F}\u{200D}🔥 می\u{200C}خواهم"),
            ("pass\u{200B}word", "pass[hidden: U+200B]word"),
            ("if \u{202E}live\u{2066}", "if [hidden: U+202E]live[hidden: U+2066]"),
            ("fix it\u{E0044}\u{E0045}\u{E004C}.", "fix it[hidden: U+E0044 and 2 more]."),
            ("a\u{FE01}\u{FE02}\u{FE03}b", "a[hidden: U+FE01 and 2 more]b"),
        ] {
            assert_eq!(name_invisible(text), shown);
        }
        assert!(matches!(name_invisible("plain"), Cow::Borrowed(_)));
    }
}
