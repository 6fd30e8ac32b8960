//! Directories that the settings put on `PATH`.

use std::path::Path;

use super::{Toolchain, layout};
use crate::settings::HostEnvironment;

/// The directory, with what its programs need. Beside the `bin` of a home may be anything, so there only itself is shown.
pub(super) fn toolchain(directory: &Path, host: &HostEnvironment) -> Toolchain {
    let alone = || Toolchain {
        name: directory.display().to_string(),
        shown: vec![directory.to_owned()],
        path: vec![directory.to_owned()],
        variables: Vec::new(),
    };
    let Some(prefix) = directory.parent().filter(|_| directory.ends_with("bin")) else { return alone() };
    if let Some(known) =
        super::finders::find(host).into_iter().find(|found| found.path.iter().any(|path| path == directory))
    {
        return Toolchain { path: vec![directory.to_owned()], ..known };
    }
    let is_home = host.home().is_some_and(|home| home.starts_with(prefix) || prefix == home.join(".local"));
    if is_home || prefix == Path::new("/") {
        return alone();
    }
    layout::prefix(&directory.display().to_string(), prefix).unwrap_or_else(alone)
}
