//! The root file system of a sandbox: a small read-only tmpfs with pieces of the host attached.

use std::ffi::CString;
use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};

use super::etc;
use crate::layout::Layout;
use crate::part::{Failure, Part};
use crate::specification::{Mount, Specification};
use crate::system;

const GUARDED: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY | GUARDED;
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// A copy of a piece of the host's mount tree, not yet attached.
struct Piece {
    tree: OwnedFd,
    target: PathBuf,
    directory: bool,
}

/// Where a symbolic link points, and where it is.
type Link = (PathBuf, PathBuf);

/// Builds the root and changes into it. Everything of the host is picked up first; afterwards it is out of reach, so that no
/// symbolic link in a mount can lead the building astray.
pub(super) fn build(specification: &Specification) -> Result<(), Failure> {
    let mounting = |action: &'static str| Failure::of(Part::PrivateMounts, action);
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .map_err(mounting("detaching from the host's mounts"))?;
    let (mut pieces, links) = system_pieces()?;
    pieces.extend(own_pieces(specification)?);

    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("sandbox"), &specification.directory, Some("tmpfs"), flags, Some("mode=755,size=4m"))
        .map_err(mounting("mounting a tmpfs"))?;
    chdir(&specification.directory).map_err(mounting("entering the new root"))?;
    // The kernel grants a proc mount only where another one is visible: now, and to the execs through this one.
    fs::create_dir("proc").map_err(Failure::other("making /proc"))?;
    mount(Some("proc"), "proc", Some("proc"), flags | MsFlags::MS_NOEXEC, None::<&str>)
        .map_err(Failure::of(Part::Proc, "mounting it"))?;
    pivot_root(".", ".").map_err(Failure::of(Part::PivotRoot, "changing the root"))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(Failure::of(Part::PivotRoot, "leaving the host's root"))?;
    chdir("/").map_err(Failure::of(Part::PivotRoot, "entering the new root"))?;

    furnish(&links)?;
    for piece in &pieces {
        attach(piece)?;
    }
    let root = File::open("/").map_err(Failure::other("opening the root"))?;
    system::set_mount_attributes(root.as_fd(), READ_ONLY, 0)
        .map_err(Failure::of(Part::MountAttributes, "making the root read-only"))
}

/// The host's programs and libraries, its public settings and five harmless devices with the terminal. A top-level name
/// that is a link on the host is one inside.
fn system_pieces() -> Result<(Vec<Piece>, Vec<Link>), Failure> {
    let mut pieces = vec![pick(Path::new("/usr"), "/usr".into(), READ_ONLY)?];
    let mut links = Vec::new();
    for name in ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"] {
        match (fs::read_link(name), Path::new(name).is_dir()) {
            (Ok(target), _) => links.push((target, PathBuf::from(name))),
            (Err(_), true) => pieces.push(pick(Path::new(name), name.into(), READ_ONLY)?),
            (Err(_), false) => {}
        }
    }
    for path in etc::from_host() {
        pieces.push(pick(&path, path.clone(), READ_ONLY)?);
    }
    for name in DEVICES {
        let path = Path::new("/dev").join(name);
        if path.exists() {
            // Not NODEV, or it would be no device.
            let attributes = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC;
            pieces.push(pick(&path, path.clone(), attributes)?);
        }
    }
    Ok((pieces, links))
}

fn own_pieces(specification: &Specification) -> Result<Vec<Piece>, Failure> {
    let mounts = specification.all_mounts();
    let host = Layout::on_host(&specification.directory, Vec::new());
    let inside = Layout::new(specification);
    let mut pieces = Vec::new();
    for (source, target) in host.writable().into_iter().zip(inside.writable()) {
        pieces.push(pick(source, target.to_path_buf(), GUARDED)?);
    }
    pieces.push(pick(&host.state, inside.state, GUARDED)?);
    pieces.push(pick(&host.outputs, inside.outputs, READ_ONLY)?);
    for Mount { source, target } in &mounts {
        pieces.push(pick(source, target.clone(), READ_ONLY)?);
    }
    Ok(pieces)
}

fn pick(source: &Path, target: PathBuf, attributes: u64) -> Result<Piece, Failure> {
    let failed = |error: Errno| {
        let missing = matches!(error, Errno::ENOSYS | Errno::EPERM);
        let detail = format!("{}: {error}", source.display());
        Failure { part: missing.then_some(Part::MountAttributes), detail }
    };
    let directory = fs::metadata(source).map_err(Failure::other(source.display()))?.is_dir();
    let tree = system::open_tree(&c_path(source)?).map_err(failed)?;
    system::set_mount_attributes(tree.as_fd(), attributes, libc::AT_RECURSIVE).map_err(failed)?;
    Ok(Piece { tree, target, directory })
}

/// What is made and not taken from the host.
fn furnish(links: &[Link]) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::other("furnishing the root")(error);
    for directory in ["/etc", "/dev/pts", "/dev/shm", "/home", "/run", "/var"] {
        fs::create_dir_all(directory).map_err(failed)?;
    }
    for (path, content) in etc::OWN {
        fs::write(path, content).map_err(failed)?;
    }
    let own_links = [
        ("/proc/self/fd", "/dev/fd"),
        ("/proc/self/fd/0", "/dev/stdin"),
        ("/proc/self/fd/1", "/dev/stdout"),
        ("/proc/self/fd/2", "/dev/stderr"),
        ("pts/ptmx", "/dev/ptmx"),
        ("/proc/mounts", "/etc/mtab"),
        ("/tmp", "/var/tmp"),
        ("/run", "/var/run"),
    ];
    for (target, link) in own_links {
        symlink(target, link).map_err(failed)?;
    }
    for (target, link) in links {
        symlink(target, link).map_err(failed)?;
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount(Some("devpts"), "/dev/pts", Some("devpts"), flags, Some("newinstance,ptmxmode=0666,mode=620,max=64"))
        .map_err(Failure::of(Part::Terminals, "mounting devpts"))
}

fn attach(piece: &Piece) -> Result<(), Failure> {
    let target = &piece.target;
    if !target.exists() {
        let made = match (piece.directory, target.parent()) {
            (true, _) => fs::create_dir_all(target),
            (false, Some(parent)) => fs::create_dir_all(parent).and_then(|()| File::create(target).map(|_| ())),
            (false, None) => Ok(()),
        };
        made.map_err(Failure::other(format_args!("making {} to mount on", target.display())))?;
    }
    system::attach_tree(piece.tree.as_fd(), &c_path(target)?)
        .map_err(|error| Failure { part: None, detail: format!("mounting {}: {error}", target.display()) })
}

fn c_path(path: &Path) -> Result<CString, Failure> {
    CString::new(path.as_os_str().as_bytes()).map_err(Failure::other(path.display()))
}
