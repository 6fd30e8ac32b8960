//! Files that git would put through a filter, a program that the repository's attributes name. None is run here, so their content is
//! not what git would store.

use super::attributes::{PathAttributes, State};

/// Maximum size of a Git LFS pointer, in bytes (the specification of Git LFS, version 1).
const MAX_POINTER_BYTES: usize = 1024;

/// Why a file must not be stored as it is, if it must not. A clause.
pub(crate) fn objection(content: &[u8], attributes: &PathAttributes) -> Option<String> {
    let State::Value(filter) = &attributes.filter else { return None };
    (!is_lfs_pointer(content)).then(|| {
        format!("its attributes ask for the filter {filter}, which is not run here: it would be stored unconverted")
    })
}

/// Whether a content is what Git LFS stores in place of a file.
pub(crate) fn is_lfs_pointer(content: &[u8]) -> bool {
    let Some(text) = (content.len() <= MAX_POINTER_BYTES).then(|| str::from_utf8(content).ok()).flatten() else {
        return false;
    };
    let mut lines = text.lines();
    let is_oid = |line: &str| {
        let digits = line.strip_prefix("oid sha256:");
        digits.is_some_and(|digits| digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let is_size = |line: &str| line.strip_prefix("size ").is_some_and(|size| size.parse::<u64>().is_ok());
    lines.next() == Some("version https://git-lfs.github.com/spec/v1")
        && lines.next().is_some_and(is_oid)
        && lines.any(is_size)
}
