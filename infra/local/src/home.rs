//! The program's own directory: who may use it, and what may be in it.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::Context as _;

use crate::settings::Containment;

/// Names that the program gives to files and directories in its directory, besides `key.new-PID`. Another process may be in
/// the middle of its first start, so any of them may exist without the others.
const OWN_NAMES: [&str; 13] = [
    ".env",
    "demo",
    "blobs",
    "live",
    "locks",
    "forge",
    "sandboxes",
    "backspace.db",
    "key",
    "recording",
    "registries.json",
    "server.sock",
    "server.lock",
];

/// Creates the directory with its subdirectories, or sets their permissions.
///
/// # Errors
///
/// When the directory holds files of another program, or cannot be created.
pub(crate) fn prepare(home: &Path, containment: Containment) -> anyhow::Result<()> {
    ensure_own(home)?;
    let mode = mode_of_home(containment);
    directory_with(home, mode).with_context(|| format!("cannot use {} as the program's directory", home.display()))?;
    for (inner, mode) in [("blobs", 0o700), ("live", 0o700), ("locks", 0o700), ("forge", 0o755), ("sandboxes", mode)] {
        directory_with(&home.join(inner), mode)?;
    }
    Ok(())
}

/// Refuses a directory that holds something else: its permissions are about to be changed.
fn ensure_own(home: &Path) -> anyhow::Result<()> {
    let Ok(entries) = fs::read_dir(home) else { return Ok(()) };
    let names: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
    if names.iter().any(|name| name == "backspace.db") {
        return Ok(());
    }
    let is_own = |name: &str| OWN_NAMES.contains(&name) || name.starts_with("key.new-");
    match names.iter().find(|name| !is_own(&name.to_string_lossy())) {
        None => Ok(()),
        Some(name) => anyhow::bail!(
            "{} does not belong to this program: it holds {}. Set BACKSPACE_HOME to an empty or a new directory",
            home.display(),
            name.to_string_lossy()
        ),
    }
}

/// Only the owner may use the directory. When the superuser runs commands without namespaces, they run as another user, who
/// has to traverse the directory to reach the sandbox; what that user must not read is protected by its own mode.
fn mode_of_home(containment: Containment) -> u32 {
    match containment {
        Containment::Reduced if is_superuser() => 0o711,
        Containment::Reduced | Containment::Isolated => 0o700,
    }
}

/// Whether this process runs as the superuser, by the owner of its entry in `/proc`.
fn is_superuser() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Creates a directory, and sets its mode also where it exists or the umask would clear bits.
fn directory_with(directory: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(mode).create(directory)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(mode))
}
