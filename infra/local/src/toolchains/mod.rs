//! The toolchains of the machine's user, as sandboxes see them: named directories and files, read-only, at their own paths. Never the
//! rest of the home, and no file that holds credentials.

mod chosen;
mod finders;
mod layout;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use domain::Principal;
use sandbox::{Mount, Specification};

use crate::settings::{HostEnvironment, Settings, Toolchains as Setting};

/// A toolchain that is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Toolchain {
    /// Its name, or the directory that the settings name.
    pub name: String,
    /// Files and directories that are mounted.
    pub shown: Vec<PathBuf>,
    /// Directories on `PATH`.
    pub path: Vec<PathBuf>,
    pub variables: Vec<(String, String)>,
}

/// What sandboxes see of this machine besides its system.
#[derive(Debug, Clone)]
pub struct Toolchains {
    setting: Setting,
    owner: Principal,
    host: HostEnvironment,
    /// Directories that the settings put on `PATH`, with what their programs need.
    path: Vec<PathBuf>,
    /// Directories and files that the settings show without more.
    mounts: Vec<PathBuf>,
    variables: Vec<(String, String)>,
}

impl Toolchains {
    /// `owner` is the machine's user.
    pub fn new(settings: &Settings, owner: Principal) -> Self {
        Self {
            setting: settings.toolchains,
            owner,
            host: settings.host.clone(),
            path: settings.sandbox_path.clone(),
            mounts: settings.sandbox_mounts.clone(),
            variables: settings.sandbox_variables.clone(),
        }
    }

    /// Whether the sessions of this owner see the toolchains of the machine's user.
    pub(crate) fn are_shown_to(&self, owner: &Principal) -> bool {
        match self.setting {
            Setting::Owner => *owner == self.owner,
            Setting::All => true,
            Setting::Off => false,
        }
    }

    /// What is found now, in the order of `PATH`: what the settings name goes first.
    pub fn find(&self, are_shown: bool) -> Vec<Toolchain> {
        let mut found: Vec<Toolchain> =
            self.path.iter().map(|directory| chosen::toolchain(directory, &self.host)).collect();
        if are_shown {
            found.extend(finders::find(&self.host));
        }
        found
    }

    /// Shows them in a sandbox. What cannot be at its own path inside is left out.
    pub(crate) fn show(&self, specification: &mut Specification, are_shown: bool) {
        let found = self.find(are_shown);
        let shown = found.iter().flat_map(|toolchain| &toolchain.shown).chain(&self.mounts);
        let mut mounted: Vec<PathBuf> = Vec::new();
        for path in shown {
            if path.exists()
                && Specification::accepts_mount_at(path)
                && !mounted.iter().any(|outer| path.starts_with(outer))
            {
                mounted.push(path.clone());
            }
        }
        specification.mounts.extend(mounted.iter().map(|path| Mount { source: path.clone(), target: path.clone() }));
        let is_visible = |path: &&PathBuf| is_visible(path, &mounted);
        let path: Vec<PathBuf> =
            found.iter().flat_map(|toolchain| &toolchain.path).filter(is_visible).cloned().collect();
        for directory in path {
            if !specification.path.contains(&directory) {
                specification.path.push(directory);
            }
        }
        let variables = found.into_iter().flat_map(|toolchain| toolchain.variables);
        specification.environment.extend(variables.chain(self.variables.iter().cloned()));
    }
}

fn is_visible(path: &Path, mounted: &[PathBuf]) -> bool {
    path.starts_with("/usr") || mounted.iter().any(|outer| path.starts_with(outer))
}
