//! The content that a checkout writes for a blob: what [`clean`](super::clean) undoes, in the opposite order. Filters are not run.

use encoding_rs::Encoding;
use gix_filter::eol::{Configuration, convert_to_worktree};
use gix_filter::{ident, worktree};

use super::attributes::{PathAttributes, State};
use super::clean::line_endings;

/// What cannot be converted is written as it is, as git does.
pub(crate) fn checkout(
    blob: Vec<u8>,
    attributes: &PathAttributes,
    settings: Configuration,
    hash: gix_hash::Kind,
) -> Vec<u8> {
    let (mut content, mut converted) = (blob, Vec::new());
    if attributes.ident == State::Set && ident::apply(&content, hash, &mut converted).unwrap_or_default() {
        std::mem::swap(&mut content, &mut converted);
    }
    let endings = line_endings(attributes, settings.auto_crlf);
    if convert_to_worktree(&content, endings, &mut converted, settings).unwrap_or_default() {
        std::mem::swap(&mut content, &mut converted);
    }
    encode(&content, &attributes.encoding).unwrap_or(content)
}

/// None when the content stays as it is.
fn encode(content: &[u8], encoding: &State) -> Option<Vec<u8>> {
    let label = match encoding {
        State::Unspecified | State::Set | State::Unset => return None,
        State::Value(label) => label.to_ascii_uppercase(),
    };
    if label.is_empty() || content.is_empty() || matches!(label.as_str(), "UTF-8" | "UTF8") {
        return None;
    }
    let utf_16 = |mark: Option<u16>, bytes: fn(u16) -> [u8; 2]| {
        let text = str::from_utf8(content).ok()?;
        Some(mark.into_iter().chain(text.encode_utf16()).flat_map(bytes).collect())
    };
    match label.as_str() {
        "UTF-16" | "UTF16" | "UTF-16LE-BOM" | "UTF16LE-BOM" => utf_16(Some(0xfeff), u16::to_le_bytes),
        "UTF-16LE" | "UTF16LE" => utf_16(None, u16::to_le_bytes),
        "UTF-16BE" | "UTF16BE" => utf_16(None, u16::to_be_bytes),
        "ISO-8859-1" | "ISO8859-1" | "LATIN1" | "LATIN-1" => {
            str::from_utf8(content).ok()?.chars().map(|character| u8::try_from(character).ok()).collect()
        }
        _ => {
            let mut encoded = Vec::new();
            let encoding = Encoding::for_label(label.as_bytes())?;
            worktree::encode_to_worktree(content, encoding, &mut encoded).ok()?;
            Some(encoded)
        }
    }
}
