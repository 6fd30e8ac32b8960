//! Bodies of accepted requests in a directory, for judges that are not ours.

use std::io;
use std::path::Path;

use super::digest::Digest;

/// Names the directory where every stand-in of a process keeps the bodies it accepted. Set by the checks alone.
const VARIABLE: &str = "BACKSPACE_STAND_IN_RECORD";

#[expect(clippy::disallowed_methods, reason = "every stand-in of every process of a test run is to keep its requests")]
pub(crate) fn directory() -> Option<std::path::PathBuf> {
    std::env::var_os(VARIABLE).filter(|name| !name.is_empty()).map(Into::into)
}

/// Keeps a body under a name made of its content: the same body is kept once. No header is kept, so no key is.
pub(crate) fn keep(directory: &Path, body: &[u8]) -> io::Result<()> {
    let mut digest = Digest::default();
    digest.add_text(&String::from_utf8_lossy(body));
    let name = digest.id("body");
    let whole = directory.join(format!("{name}.json"));
    if whole.exists() {
        return Ok(());
    }
    // Two processes may write the same at once; each name appears with its whole content or not at all.
    let part = directory.join(format!(".{name}.{}", std::process::id()));
    std::fs::write(&part, body)?;
    std::fs::rename(part, whole)
}
