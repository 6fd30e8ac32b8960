//! The content that git would store for a file: `working-tree-encoding`, line endings and `ident` are undone, in this order.
//! Filters are not run, as git runs none that is not configured.

use encoding_rs::{Encoding, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE};
use gix_filter::eol::convert_to_git::Options;
use gix_filter::eol::{AttributesDigest, AutoCrlf, Configuration, Mode, convert_to_git};
use gix_filter::ident;

use super::attributes::{PathAttributes, State};

/// Converts `raw`, the content of a file in the workspace. `base` reads what the base commit has at the path: where git
/// decides by itself what is text, a file that was committed with CRLF keeps it.
///
/// # Errors
/// The reason why git would not store the file, as a clause.
pub(crate) fn clean(
    raw: Vec<u8>,
    attributes: &PathAttributes,
    settings: Configuration,
    base: impl Fn() -> Option<Vec<u8>>,
) -> Result<Vec<u8>, String> {
    let mut content = decode(raw, &attributes.encoding)?;
    let mut converted = Vec::new();
    let endings = line_endings(attributes, settings.auto_crlf);
    let mut read_base = |buffer: &mut Vec<u8>| {
        buffer.clear();
        Ok(base().map(|content| buffer.extend(content)))
    };
    let options = Options { round_trip_check: None, config: settings };
    let was_converted = convert_to_git(&content, endings, &mut converted, &mut read_base, options);
    if was_converted.map_err(|error| format!("its line endings cannot be converted: {error}"))? {
        std::mem::swap(&mut content, &mut converted);
    }
    if attributes.ident == State::Set && ident::undo(&content, &mut converted).map_err(|error| error.to_string())? {
        std::mem::swap(&mut content, &mut converted);
    }
    Ok(content)
}

/// What the attributes say of a file's line endings, by the rules of git's `convert_attrs`.
pub(super) fn line_endings(attributes: &PathAttributes, autocrlf: AutoCrlf) -> AttributesDigest {
    let text = |state: &State| match state {
        State::Set => Some(AttributesDigest::Text),
        State::Unset => Some(AttributesDigest::Binary),
        State::Value(value) if value == "input" => Some(AttributesDigest::TextInput),
        State::Value(value) if value == "auto" => Some(AttributesDigest::TextAuto),
        State::Value(_) | State::Unspecified => None,
    };
    let eol = match &attributes.eol {
        State::Value(value) if value == "lf" => Some(Mode::Lf),
        State::Value(value) if value == "crlf" => Some(Mode::CrLf),
        State::Value(_) | State::Set | State::Unset | State::Unspecified => None,
    };
    let text = text(&attributes.text).or_else(|| text(&attributes.crlf));
    match (text, eol) {
        (Some(AttributesDigest::Binary), _) => AttributesDigest::Binary,
        (Some(AttributesDigest::TextAuto), Some(Mode::Lf)) => AttributesDigest::TextAutoInput,
        (Some(AttributesDigest::TextAuto), Some(Mode::CrLf)) => AttributesDigest::TextAutoCrlf,
        (_, Some(mode)) => mode.into(),
        (Some(text), None) => text,
        (None, None) => autocrlf.into(),
    }
}

/// Decodes a file with a `working-tree-encoding` to UTF-8.
fn decode(raw: Vec<u8>, encoding: &State) -> Result<Vec<u8>, String> {
    let label = match encoding {
        State::Unspecified => return Ok(raw),
        State::Set | State::Unset => return Err("git refuses it: its working-tree-encoding is not a name".to_owned()),
        State::Value(label) if label.is_empty() => return Ok(raw),
        State::Value(label) => label.to_ascii_uppercase(),
    };
    // Git converts an empty file to an empty one.
    if raw.is_empty() || matches!(label.as_str(), "UTF-8" | "UTF8") {
        return Ok(raw);
    }
    let refused = |reason: &str| Err(format!("git refuses it: {reason} as {label}"));
    let (has_le, has_be) = (raw.starts_with(&[0xff, 0xfe]), raw.starts_with(&[0xfe, 0xff]));
    let encoding: &'static Encoding = match label.as_str() {
        "UTF-16" | "UTF16" if !has_le && !has_be => return refused("a BOM is required in a file encoded"),
        "UTF-16LE" | "UTF-16BE" | "UTF16LE" | "UTF16BE" if has_le || has_be => {
            return refused("a BOM is prohibited in a file encoded");
        }
        "UTF-16" | "UTF16" | "UTF-16LE-BOM" | "UTF16LE-BOM" if has_be => UTF_16BE,
        "UTF-16" | "UTF16" | "UTF-16LE-BOM" | "UTF16LE-BOM" | "UTF-16LE" | "UTF16LE" => UTF_16LE,
        "UTF-16BE" | "UTF16BE" => UTF_16BE,
        "ISO-8859-1" | "ISO8859-1" | "LATIN1" | "LATIN-1" => {
            return Ok(encoding_rs::mem::decode_latin1(&raw).into_owned().into_bytes());
        }
        _ => match Encoding::for_label(label.as_bytes()) {
            Some(encoding) if encoding == UTF_8 => return Ok(raw),
            Some(encoding) => encoding,
            None => return Err(format!("its working-tree-encoding {label} is not supported")),
        },
    };
    let has_bom = (has_le && encoding == UTF_16LE) || (has_be && encoding == UTF_16BE);
    let text = &raw[if has_bom { 2 } else { 0 }..];
    let Some(decoded) = encoding.decode_without_bom_handling_and_without_replacement(text) else {
        return refused("it cannot be decoded");
    };
    // Git checks by default that this encoding can be reversed.
    if encoding == SHIFT_JIS && *encoding.encode(&decoded).0 != *text {
        return refused("it would not survive being stored");
    }
    Ok(decoded.into_owned().into_bytes())
}
