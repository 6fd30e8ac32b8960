//! A directory of the bodies that our client sent, for checks by the vendor's own request types.

use std::io;
use std::path::{Path, PathBuf};

use super::digest::Digest;

/// Names the directory for every stand-in of a process. Only the test suite sets it.
const VARIABLE: &str = "BACKSPACE_STAND_IN_RECORD";

#[expect(clippy::disallowed_methods, reason = "a test run collects from every stand-in of every process it starts")]
pub(crate) fn directory() -> Option<PathBuf> {
    std::env::var_os(VARIABLE).filter(|name| !name.is_empty()).map(Into::into)
}

/// Stores a body under a name derived from its content, so that equal bodies are stored once. Headers are not stored, and with
/// them no key.
pub(crate) fn store(directory: &Path, body: &[u8]) -> io::Result<()> {
    let mut digest = Digest::default();
    digest.add_text(&String::from_utf8_lossy(body));
    let name = digest.id("body");
    let target = directory.join(format!("{name}.json"));
    if target.exists() {
        return Ok(());
    }
    // Two processes may store the same body at once; the rename makes each name appear with its complete content or not at all.
    let temporary = directory.join(format!(".{name}.{}", std::process::id()));
    std::fs::write(&temporary, body)?;
    std::fs::rename(temporary, target)
}
