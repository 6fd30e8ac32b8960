use std::path::{Path, PathBuf};

use crate::specification::{Mode, Mount, Specification};

/// Where a sandbox's parts are, as commands in it see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The checkout; writable.
    pub workspace: PathBuf,
    /// HOME; writable.
    pub home: PathBuf,
    /// Temporary files; writable.
    pub tmp: PathBuf,
    /// What the worker keeps. No command sees it.
    pub state: PathBuf,
    /// The spool of all execs; readable only.
    pub outputs: PathBuf,
    mode: Mode,
    mounts: Vec<Mount>,
}

impl Layout {
    pub(crate) fn new(specification: &Specification) -> Self {
        let mounts = specification.all_mounts();
        match specification.mode {
            Mode::Isolated => Self {
                workspace: "/workspace".into(),
                home: "/home/agent".into(),
                tmp: "/tmp".into(),
                state: "/state".into(),
                outputs: "/outputs".into(),
                mode: Mode::Isolated,
                mounts,
            },
            Mode::Reduced => Self::on_host(&specification.directory, mounts),
        }
    }

    /// The same parts as the host sees them.
    pub(crate) fn on_host(directory: &Path, mounts: Vec<Mount>) -> Self {
        Self {
            workspace: directory.join("workspace"),
            home: directory.join("home"),
            tmp: directory.join("tmp"),
            state: directory.join("state"),
            outputs: directory.join("spool"),
            mode: Mode::Reduced,
            mounts,
        }
    }

    /// What commands may write.
    pub(crate) fn writable(&self) -> [&Path; 3] {
        [&self.workspace, &self.home, &self.tmp]
    }

    /// The path that a mount's target, or a path below it, has inside: itself when isolated, below the mount's source when
    /// reduced. A path under no mount is returned as it is.
    pub fn inside(&self, target: &Path) -> PathBuf {
        let innermost = self.mounts.iter().rev().find_map(|mount| {
            let rest = target.strip_prefix(&mount.target).ok()?;
            Some(if rest.as_os_str().is_empty() { mount.source.clone() } else { mount.source.join(rest) })
        });
        match self.mode {
            Mode::Isolated => target.to_path_buf(),
            Mode::Reduced => innermost.unwrap_or_else(|| target.to_path_buf()),
        }
    }
}
