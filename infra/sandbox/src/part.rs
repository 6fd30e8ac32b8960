use std::fmt;

use serde::{Deserialize, Serialize};

/// A part of the kernel that a sandbox needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Making a user namespace together with the others.
    Namespaces,
    /// Giving the namespace its user and group ids; CAP_SETUID and CAP_SETGID when root.
    IdentityMaps,
    /// Mounting a tmpfs and cutting the mount tree off from the host's.
    PrivateMounts,
    /// `open_tree`, `move_mount`, `mount_setattr` (Linux 5.12).
    MountAttributes,
    /// Mounting a proc file system of its own.
    Proc,
    /// Changing the root with `pivot_root`.
    PivotRoot,
    /// A pseudo-terminal file system of its own.
    Terminals,
    /// Bringing up the loopback of an own network namespace.
    Loopback,
    /// Landlock.
    Landlock,
    /// Landlock's scopes for signals and abstract sockets (ABI 6, Linux 6.12).
    LandlockScopes,
    /// A seccomp filter.
    Seccomp,
    /// Giving up privileges: ids, capabilities, limits.
    Privileges,
}

impl Part {
    /// In the order in which a sandbox meets them.
    pub const ALL: [Self; 12] = [
        Self::Namespaces,
        Self::IdentityMaps,
        Self::Loopback,
        Self::PrivateMounts,
        Self::MountAttributes,
        Self::Proc,
        Self::PivotRoot,
        Self::Terminals,
        Self::Landlock,
        Self::LandlockScopes,
        Self::Privileges,
        Self::Seccomp,
    ];

    /// What somebody with rights on the machine can do about its absence.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Namespaces => {
                "allow user namespaces (sysctl user.max_user_namespaces=15000; on Debian kernel.unprivileged_userns_clone=1; \
                 on Ubuntu kernel.apparmor_restrict_unprivileged_userns=0 or an AppArmor profile for the program), or use the \
                 reduced mode"
            }
            Self::IdentityMaps => {
                "run as root with CAP_SETUID and CAP_SETGID, or as an ordinary user; on Ubuntu also set \
                 kernel.apparmor_restrict_unprivileged_userns=0 or give the program an AppArmor profile; or use the reduced mode"
            }
            Self::PrivateMounts => {
                "allow mounts in user namespaces (on Ubuntu kernel.apparmor_restrict_unprivileged_userns=0 or an AppArmor \
                 profile for the program; in a container a seccomp profile that permits mount), or use the reduced mode"
            }
            Self::MountAttributes => {
                "use Linux 5.12 or newer (in a container, a seccomp profile that permits open_tree, move_mount and \
                 mount_setattr), or use the reduced mode"
            }
            Self::Proc => {
                "run outside a container, or in one whose /proc is not masked (docker run --security-opt systempaths=unconfined), \
                 or use the reduced mode"
            }
            Self::PivotRoot => {
                "run from a root file system that is no initramfs and permit pivot_root, or use the reduced mode"
            }
            Self::Terminals => "use a kernel with devpts, or use the reduced mode",
            Self::Loopback => "permit network namespaces, or use the reduced mode",
            Self::Landlock => {
                "use Linux 5.13 or newer (6.2 for the reduced mode) with Landlock among the security modules (boot with \
                 lsm=landlock,… when it is compiled in but not active)"
            }
            Self::LandlockScopes => {
                "use Linux 6.12 or newer; without it the isolated mode relies on its namespaces alone for this, and in the \
                 reduced mode a command can signal other processes of the same user"
            }
            Self::Seccomp => "use a kernel with CONFIG_SECCOMP_FILTER, on x86-64 or 64-bit ARM",
            Self::Privileges => "run without restrictions on setuid, prctl and capset",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Namespaces => "user namespaces",
            Self::IdentityMaps => "identity maps",
            Self::PrivateMounts => "private mounts",
            Self::MountAttributes => "mount attributes",
            Self::Proc => "mounting of proc",
            Self::PivotRoot => "pivot_root",
            Self::Terminals => "private terminals",
            Self::Loopback => "private loopback",
            Self::Landlock => "Landlock",
            Self::LandlockScopes => "Landlock scopes",
            Self::Seccomp => "seccomp",
            Self::Privileges => "giving up privileges",
        })
    }
}

/// A step of setting up that did not work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) part: Option<Part>,
    pub(crate) detail: String,
}

impl Failure {
    /// A failure of a part of the kernel.
    pub(crate) fn of<E: fmt::Display>(part: Part, action: &str) -> impl FnOnce(E) -> Self {
        move |error| Self { part: Some(part), detail: format!("{action}: {error}") }
    }

    /// A failure of anything else: a missing file, a full disk.
    pub(crate) fn other<E: fmt::Display>(action: impl fmt::Display) -> impl FnOnce(E) -> Self {
        move |error| Self { part: None, detail: format!("{action}: {error}") }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            Some(part) => write!(formatter, "{part}: {}", self.detail),
            None => formatter.write_str(&self.detail),
        }
    }
}
