use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};

use crate::ground::Guest;
use crate::layout::Layout;
use crate::part::{Failure, Part};
use crate::specification::Specification;
use crate::system;

/// Newer rights (resolving socket paths) would cut commands of one sandbox off from each other's sockets.
const INTERFACE: ABI = ABI::V7;

/// Which paths a command may use, and how. A right on a directory holds for what is mounted below it, but one on a mount
/// point does not: the kernel looks at the mounted root and then at the mount point's parent.
pub(crate) struct Territory {
    readable: Vec<PathBuf>,
    writable: Vec<PathBuf>,
    devices: Vec<PathBuf>,
}

impl Territory {
    /// The root holds nothing but what may be read.
    pub(crate) fn isolated(layout: &Layout, guest: Guest) -> Self {
        let mut writable = writable(layout, guest);
        // For /dev/shm, which each exec mounts anew; the rest of /dev is on the read-only root.
        writable.push("/dev".into());
        Self { readable: vec!["/".into()], writable, devices: vec!["/dev".into()] }
    }

    /// The host's system directories. /proc stays out, except for what says nothing about other processes: it would show
    /// their command lines.
    pub(crate) fn reduced(layout: &Layout, specification: &Specification, guest: Guest) -> Self {
        let system = [
            "/usr",
            "/etc",
            "/bin",
            "/sbin",
            "/lib",
            "/lib32",
            "/lib64",
            "/libx32",
            "/proc/cpuinfo",
            "/proc/meminfo",
            "/proc/stat",
            "/proc/uptime",
            "/proc/filesystems",
            "/proc/version",
            "/proc/sys/kernel",
        ];
        let mut readable: Vec<PathBuf> = system.iter().map(PathBuf::from).collect();
        readable.extend(specification.all_mounts().into_iter().map(|mount| mount.source));
        readable.push(layout.outputs.clone());
        let devices = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];
        Self { readable, writable: writable(layout, guest), devices: devices.iter().map(PathBuf::from).collect() }
    }
}

fn writable(layout: &Layout, guest: Guest) -> Vec<PathBuf> {
    let state = match guest {
        Guest::Command => None,
        Guest::Worker => Some(layout.state.as_path()),
    };
    layout.writable().into_iter().chain(state).map(Path::to_path_buf).collect()
}

/// Refuses kernels whose interface is older than `least`; beyond that takes what the kernel has.
pub(crate) fn ruleset(territory: &Territory, least: u32) -> Result<OwnedFd, Failure> {
    let version = system::landlock_version();
    if version < least {
        let detail = format!("its interface has version {version}, needed is {least}");
        return Err(Failure { part: Some(Part::Landlock), detail });
    }
    let built = build(territory).map_err(Failure::of(Part::Landlock, "building the ruleset"))?;
    Option::<OwnedFd>::from(built)
        .ok_or_else(|| Failure { part: Some(Part::Landlock), detail: "there is no ruleset".to_owned() })
}

fn build(territory: &Territory) -> Result<RulesetCreated, RulesetError> {
    let everything = AccessFs::from_all(INTERFACE);
    let reading = AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::Execute;
    let device = AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev;
    let writing = everything & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(everything)?
        .scope(Scope::from_all(INTERFACE))?
        .create()?;
    for (paths, access) in
        [(&territory.readable, reading), (&territory.writable, writing), (&territory.devices, device)]
    {
        for path in paths {
            ruleset = allow(ruleset, path, access)?;
        }
    }
    Ok(ruleset)
}

/// A path that does not exist is no loss: what is not named is refused.
fn allow(ruleset: RulesetCreated, path: &Path, access: BitFlags<AccessFs>) -> Result<RulesetCreated, RulesetError> {
    let Ok(opened) = PathFd::new(path) else { return Ok(ruleset) };
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(INTERFACE) };
    ruleset.add_rule(PathBeneath::new(opened, access))
}
