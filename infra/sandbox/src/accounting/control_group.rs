//! Control groups, of both versions.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use nix::unistd::{AccessFlags, Pid, access};

use crate::system;
use crate::{MemoryAccountant, Totals};

/// Beyond the tasks of commands: the keeper, first processes, the worker.
const OWN_TASKS: u64 = 64;
/// Times that the removal of a group waits for its last process.
const MAX_ROUNDS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(5);

/// A group of a sandbox's own.
#[derive(Debug)]
pub(crate) struct ControlGroup {
    version: Version,
    directory: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// A group in which others might be made.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Parent {
    version: Version,
    directory: PathBuf,
}

impl ControlGroup {
    /// The first that can be made and joined; none where there is none.
    pub(crate) fn of_this_machine(name: &str, totals: &Totals, processes: u64) -> Option<Self> {
        Self::parents().iter().find_map(|parent| {
            let group = Self::make(parent, name, totals, processes)?;
            if group.can_be_joined() {
                return Some(group);
            }
            group.remove();
            None
        })
    }

    fn parents() -> Vec<Parent> {
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        parents(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"))
    }

    fn make(parent: &Parent, name: &str, totals: &Totals, processes: u64) -> Option<Self> {
        // In the second version a group has a controller only if its parent hands it on.
        if parent.version == Version::Two {
            let handed_on = fs::read_to_string(parent.directory.join("cgroup.subtree_control")).unwrap_or_default();
            if !handed_on.split_whitespace().any(|controller| controller == "memory") {
                return None;
            }
        }
        let directory = parent.directory.join(name);
        match fs::create_dir(&directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return None,
            Ok(()) | Err(_) => {}
        }
        let group = Self { version: parent.version, directory };
        match group.limit(totals, processes) {
            Ok(()) => Some(group),
            Err(_) => {
                group.remove();
                None
            }
        }
    }

    fn limit(&self, totals: &Totals, processes: u64) -> io::Result<()> {
        if let Some(bytes) = totals.memory_bytes {
            let (most, with_swap) = match self.version {
                Version::One => ("memory.limit_in_bytes", ("memory.memsw.limit_in_bytes", bytes)),
                Version::Two => ("memory.max", ("memory.swap.max", 0)),
            };
            fs::write(self.directory.join(most), bytes.to_string())?;
            // Absent where swap is not accounted for.
            let (file, value) = with_swap;
            let _ = fs::write(self.directory.join(file), value.to_string());
        }
        if self.version == Version::Two {
            // Besides the limit that each command has. Absent where the parent does not hand it on.
            let _ = fs::write(self.directory.join("pids.max"), processes.saturating_add(OWN_TASKS).to_string());
        }
        Ok(())
    }

    /// Whether a child of this process can be moved into it: in the second version that takes rights above it, too. The child does nothing,
    /// so that it may be one of a process with several threads. Not tried in the first version, where a move takes milliseconds.
    fn can_be_joined(&self) -> bool {
        if self.version == Version::One {
            return access(&self.directory.join("cgroup.procs"), AccessFlags::W_OK).is_ok();
        }
        let Ok(child) = system::fork(|| {
            loop {
                nix::unistd::pause();
            }
        }) else {
            return false;
        };
        let joined = self.add(child).is_ok();
        let _ = nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGKILL);
        let _ = nix::sys::wait::waitpid(child, None);
        joined
    }

    pub(crate) fn add(&self, process: Pid) -> io::Result<()> {
        fs::write(self.directory.join("cgroup.procs"), process.to_string())
    }

    /// The times that the kernel has killed something in it for memory.
    pub(crate) fn kills(&self) -> u64 {
        let file = match self.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        let text = fs::read_to_string(self.directory.join(file)).unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok()).unwrap_or(0)
    }

    pub(crate) fn accountant(&self) -> MemoryAccountant {
        match self.version {
            Version::One => MemoryAccountant::ControlGroup1,
            Version::Two => MemoryAccountant::ControlGroup2,
        }
    }

    pub(crate) fn remove(&self) {
        for _ in 0..MAX_ROUNDS {
            match fs::remove_dir(&self.directory) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => sleep(PAUSE),
                Ok(()) | Err(_) => break,
            }
        }
    }
}

/// Removes the group of a sandbox's directory whose supervisor was killed. That there is none is fine, and so is one that this process may
/// not remove: it is empty.
pub(crate) fn remove_left(directory: &Path) {
    let Ok(name) = name(directory) else { return };
    for parent in ControlGroup::parents() {
        let group = parent.directory.join(&name);
        if group.exists() {
            let _ = fs::remove_dir(group);
        }
    }
}

/// The name of the group of a sandbox's directory: the same whoever opens it, so that none is left when its supervisor was killed.
pub(crate) fn name(directory: &Path) -> io::Result<String> {
    let metadata = fs::metadata(directory)?;
    Ok(format!("sandbox-{:x}-{:x}", metadata.dev(), metadata.ino()))
}

/// The groups in which others might be made, nearest first: this process's own and those above. `mounts` is /proc/self/mountinfo, `own`
/// /proc/self/cgroup.
fn parents(mounts: &str, own: &str) -> Vec<Parent> {
    let memberships: Vec<(&str, &str)> = own
        .lines()
        .filter_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            Some((controllers, path))
        })
        .collect();
    let of = |controller: &str| {
        let is_it = |controllers: &str| controllers.split(',').any(|each| each == controller);
        memberships.iter().find(|(controllers, _)| is_it(controllers)).map(|(_, path)| *path)
    };
    let one = |controller: &str| {
        let mount = mounts
            .lines()
            .filter_map(Mount::parse)
            .find(|mount| mount.kind == "cgroup" && mount.options.split(',').any(|option| option == controller))?;
        mount.directory_of(of(controller)?)
    };
    let two = || {
        let mount = mounts.lines().filter_map(Mount::parse).find(|mount| mount.kind == "cgroup2")?;
        let own = mount.directory_of(of("")?)?;
        Some((PathBuf::from(mount.point), own))
    };
    let mut parents = Vec::new();
    if let Some((root, own)) = two() {
        let above = own.ancestors().take_while(|directory| directory.starts_with(&root));
        parents.extend(above.map(|directory| Parent { version: Version::Two, directory: directory.to_owned() }));
    }
    if let Some(directory) = one("memory") {
        parents.push(Parent { version: Version::One, directory });
    }
    parents
}

/// A line of /proc/self/mountinfo.
struct Mount<'a> {
    /// The group that is mounted.
    root: &'a str,
    point: &'a str,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (place, file_system) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let mut file_system = file_system.split(' ');
        let (root, point, kind) = (place.next()?, place.next()?, file_system.next()?);
        Some(Self { root, point, kind, options: file_system.nth(1)? })
    }

    /// Where a group is. None for one that is not below what is mounted.
    fn directory_of(&self, group: &str) -> Option<PathBuf> {
        let below = Path::new(group).strip_prefix(self.root).ok()?;
        Some(if below.as_os_str().is_empty() { PathBuf::from(self.point) } else { Path::new(self.point).join(below) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kinds of machines, as their /proc tells them, and where groups might be made.
    #[test]
    fn each_kind_of_kernel_has_its_places() {
        let unified =
            "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot";
        let hybrid = "31 23 0:28 / /sys/fs/cgroup ro shared:9 - tmpfs tmpfs ro,mode=755\n\
                      32 31 0:27 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 cgroup2 rw,nsdelegate\n\
                      38 31 0:33 / /sys/fs/cgroup/memory rw shared:17 - cgroup cgroup rw,memory\n\
                      39 31 0:34 / /sys/fs/cgroup/pids rw shared:18 - cgroup cgroup rw,pids";
        let bound = "900 890 0:33 /docker/4f /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory";
        // Machine, mountinfo, cgroup, directories.
        let cases: [(&str, &str, &str, &[&str]); 7] = [
            (
                "a service of systemd's, second version",
                unified,
                "0::/system.slice/backspace.service",
                &[
                    "2 /sys/fs/cgroup/system.slice/backspace.service",
                    "2 /sys/fs/cgroup/system.slice",
                    "2 /sys/fs/cgroup",
                ],
            ),
            (
                "a user's session",
                unified,
                "0::/user.slice/user-1000.slice/session-2.scope",
                &[
                    "2 /sys/fs/cgroup/user.slice/user-1000.slice/session-2.scope",
                    "2 /sys/fs/cgroup/user.slice/user-1000.slice",
                    "2 /sys/fs/cgroup/user.slice",
                    "2 /sys/fs/cgroup",
                ],
            ),
            ("a container with a name space of its own", unified, "0::/", &["2 /sys/fs/cgroup"]),
            (
                "both versions, memory in the first",
                hybrid,
                "9:pids:/a\n4:memory:/a/b\n1:name=systemd:/\n0::/",
                &["2 /sys/fs/cgroup/unified", "1 /sys/fs/cgroup/memory/a/b"],
            ),
            ("a container that sees its own group only", bound, "4:memory:/docker/4f", &["1 /sys/fs/cgroup/memory"]),
            ("a group that is not mounted here", bound, "4:memory:/elsewhere", &[]),
            ("no control groups", "22 1 8:1 / / rw - ext4 /dev/sda1 rw", "", &[]),
        ];
        for (machine, mounts, own, expected) in cases {
            let shown: Vec<String> = parents(mounts, own)
                .into_iter()
                .map(|parent| {
                    let version = if parent.version == Version::One { 1 } else { 2 };
                    format!("{version} {}", parent.directory.display())
                })
                .collect();
            assert_eq!(shown, expected, "{machine}");
        }
    }

    #[test]
    fn a_group_of_the_second_version_needs_a_parent_that_hands_memory_on() {
        let directory = tempfile::tempdir().unwrap();
        let parent = Parent { version: Version::Two, directory: directory.path().to_owned() };
        let totals = Totals { memory_bytes: Some(1 << 30), ..Totals::default() };
        let make = || ControlGroup::make(&parent, "sandbox", &totals, 100);
        assert!(make().is_none());
        fs::write(directory.path().join("cgroup.subtree_control"), "cpu pids\n").unwrap();
        assert!(make().is_none());
        fs::write(directory.path().join("cgroup.subtree_control"), "cpu memory pids\n").unwrap();
        let group = make().unwrap();
        let read = |name: &str| fs::read_to_string(directory.path().join("sandbox").join(name)).unwrap();
        assert_eq!(
            (read("memory.max"), read("memory.swap.max"), read("pids.max")),
            ("1073741824".into(), "0".into(), "164".into())
        );
        fs::write(directory.path().join("sandbox/memory.events"), "low 0\noom 2\noom_kill 3\n").unwrap();
        assert_eq!(group.kills(), 3);
    }
}
