use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Error, Limits, Totals};

/// What a sandbox is made of. All paths are absolute and UTF-8.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Specification {
    /// The sandbox's own directory on the host; made when absent, and reopened when it is one already.
    pub directory: PathBuf,
    /// How commands are confined.
    pub mode: Mode,
    /// What is readable inside besides the system.
    pub mounts: Vec<Mount>,
    /// Further directories on PATH, before the system's. One that lies neither under `/usr` nor under a mount's target is
    /// itself mounted read-only at its own path.
    pub path: Vec<PathBuf>,
    /// What every command finds in its environment besides its own; a later name replaces an earlier one.
    pub environment: Vec<(String, String)>,
    /// What commands reach over the network.
    pub network: Network,
    /// What each exec may use unless it brings limits of its own.
    pub limits: Limits,
    /// What everything in it may use together.
    pub totals: Totals,
    /// What the record of execs survives.
    pub record: Survives,
}

impl Specification {
    /// An isolated sandbox in this directory with nothing extra.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            mode: Mode::Isolated,
            mounts: Vec::new(),
            path: Vec::new(),
            environment: Vec::new(),
            network: Network::None,
            limits: Limits::default(),
            totals: Totals::default(),
            record: Survives::PowerFailure,
        }
    }
}

/// What the record of execs survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Survives {
    /// Also that the machine goes down: start and end of each exec are flushed to the disk.
    PowerFailure,
    /// The death of any process. For callers who give a sandbox up after a reboot anyway.
    Crash,
}

/// How commands are confined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Namespaces, Landlock, seccomp.
    Isolated,
    /// Landlock and seccomp only, for machines that refuse namespaces: commands see the host's paths.
    Reduced,
}

/// What commands reach over the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Nothing; a loopback of their own in isolated mode.
    None,
    /// The same, and on that loopback whoever serves the [listener](crate::Sandbox::take_listener) at [`PROXY`]. Isolated mode only:
    /// without a network namespace no wall tells one address from another.
    Proxy,
}

/// Where the listener of [`Network::Proxy`] is, as commands see it.
pub const PROXY: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 3128);

/// A file or directory of the host that is readable inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// On the host; must exist and be readable by the sandbox's user.
    pub source: PathBuf,
    /// Inside.
    pub target: PathBuf,
}

/// Where no mount may be placed, on, above or below: the sandbox's own and the system's directories.
const RESERVED: [&str; 18] = [
    "/workspace",
    "/home/agent",
    "/tmp",
    "/state",
    "/outputs",
    "/usr",
    "/etc",
    "/dev",
    "/proc",
    "/sys",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/run",
    "/var",
];

impl Specification {
    /// Whether something may be mounted at this path.
    pub fn accepts_mount_at(target: &Path) -> bool {
        plain_path(target, "the target of a mount").and_then(|()| free_target(target)).is_ok()
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        plain_path(&self.directory, "the directory")?;
        for mount in &self.mounts {
            plain_path(&mount.source, "the source of a mount")?;
            plain_path(&mount.target, "the target of a mount")?;
            free_target(&mount.target)?;
        }
        for directory in &self.path {
            plain_path(directory, "a directory on PATH")?;
            if directory.to_string_lossy().contains(':') {
                return Err(Error::Invalid(format!("{} on PATH contains a colon", directory.display())));
            }
            if self.must_be_mounted(directory) {
                free_target(directory)?;
            }
        }
        check_environment(&self.environment).map_err(Error::Invalid)?;
        match (self.mode, self.network) {
            (Mode::Reduced, Network::Proxy) => Err(Error::Invalid("the reduced mode has no network".to_owned())),
            (Mode::Isolated, Network::Proxy) | (_, Network::None) => Ok(()),
        }
    }

    /// The mounts asked for and those that PATH needs, outer targets before inner ones.
    pub(crate) fn all_mounts(&self) -> Vec<Mount> {
        let on_path = self.path.iter().filter(|directory| self.must_be_mounted(directory));
        let on_path = on_path.map(|directory| Mount { source: directory.clone(), target: directory.clone() });
        let mut mounts: Vec<Mount> = self.mounts.iter().cloned().chain(on_path).collect();
        mounts.sort_by_key(|mount| mount.target.components().count());
        mounts.dedup();
        mounts
    }

    fn must_be_mounted(&self, directory: &Path) -> bool {
        !directory.starts_with("/usr") && !self.mounts.iter().any(|mount| directory.starts_with(&mount.target))
    }
}

/// Refuses what the kernel's interface cannot carry, and says why.
pub(crate) fn check_environment(variables: &[(String, String)]) -> Result<(), String> {
    for (name, value) in variables {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err("an environment variable's name is empty or contains '=' or a NUL byte".to_owned());
        }
        if value.contains('\0') {
            return Err(format!("the environment variable {name} contains a NUL byte"));
        }
    }
    Ok(())
}

/// An absolute path without `.`, `..` or NUL, in UTF-8 so that it survives the way to the supervisor.
fn plain_path(path: &Path, what: &str) -> Result<(), Error> {
    let mut components = path.components();
    let plain = components.next() == Some(Component::RootDir)
        && components.all(|component| matches!(component, Component::Normal(_)))
        && path.to_str().is_some_and(|text| !text.contains('\0'));
    if plain { Ok(()) } else { Err(Error::Invalid(format!("{what} is not a plain absolute path: {}", path.display()))) }
}

fn free_target(target: &Path) -> Result<(), Error> {
    let reserved = RESERVED.iter().any(|own| target.starts_with(own) || Path::new(own).starts_with(target));
    if reserved { Err(Error::Invalid(format!("nothing can be mounted at {}", target.display()))) } else { Ok(()) }
}
