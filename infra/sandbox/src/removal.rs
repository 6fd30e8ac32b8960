//! Removing what hostile commands have written: trees of any depth, directories closed to their owner, links to anywhere.

use std::ffi::{CStr, CString};
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmodat, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::Error;
use crate::accounting::control_group;

/// What makes a directory a sandbox's.
const LOCK: &CStr = c"lock";

/// Removes a sandbox's directory that no supervisor has; that it does not exist is fine. Never follows a symbolic link, and
/// uses the same few descriptors however deep the tree is.
///
/// # Errors
///
/// [`Error::InUse`] while a supervisor has it; [`Error::Io`] when something in it cannot be removed.
pub fn remove_directory(directory: &Path) -> Result<(), Error> {
    let failed = || Error::io::<io::Error>(format!("removing {}", directory.display()));
    let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let root: OwnedFd = match OpenOptions::new().read(true).custom_flags(flags).open(directory) {
        Ok(root) => root.into(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed()(error)),
    };
    let lock = openat(&root, LOCK, OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty());
    match lock {
        Ok(lock) => {
            let _held = hold(lock.into(), directory)?;
            control_group::remove_left(directory);
            empty(&root).map_err(|error| failed()(error.into()))?;
            unlinkat(&root, LOCK, UnlinkatFlags::NoRemoveDir).map_err(|error| failed()(error.into()))?;
        }
        // Fails below unless it is empty: without a lock it is no sandbox.
        Err(Errno::ENOENT) => {}
        Err(error) => return Err(failed()(error.into())),
    }
    std::fs::remove_dir(directory).map_err(failed())
}

/// Whether a supervisor, or what it has left dying, has a sandbox's directory.
///
/// # Errors
///
/// [`Error::Io`] when the lock cannot be tried.
pub fn is_in_use(directory: &Path) -> Result<bool, Error> {
    match OpenOptions::new().write(true).custom_flags(libc::O_NOFOLLOW).open(directory.join("lock")) {
        Ok(lock) => match hold(lock, directory) {
            Ok(_) => Ok(false),
            Err(Error::InUse { .. }) => Ok(true),
            Err(error) => Err(error),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io(format!("locking {}", directory.display()))(error)),
    }
}

fn hold(lock: File, directory: &Path) -> Result<File, Error> {
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Error::InUse { directory: directory.to_path_buf() }),
        Err(TryLockError::Error(error)) => Err(Error::io(format!("locking {}", directory.display()))(error)),
    }
}

/// Removes all but the lock, which goes last: a removal that was interrupted is still known for a sandbox. Moves every directory it meets to the top, where it is emptied in its turn: no recursion, no depth.
fn empty(root: &OwnedFd) -> nix::Result<()> {
    let mut moved = 0_u64;
    loop {
        let mut names = names_in(root)?;
        names.retain(|name| name.as_c_str() != LOCK);
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            if !is_directory(root, &name)? {
                unlinkat(root, name.as_c_str(), UnlinkatFlags::NoRemoveDir)?;
                continue;
            }
            let opened = open_directory(root, &name)?;
            for inner in names_in(&opened)? {
                if is_directory(&opened, &inner)? {
                    // Moving a directory changes its "..", which takes the right to write it.
                    unlock(&opened, &inner)?;
                    lift(&opened, &inner, root, &mut moved)?;
                } else {
                    unlinkat(&opened, inner.as_c_str(), UnlinkatFlags::NoRemoveDir)?;
                }
            }
            unlinkat(root, name.as_c_str(), UnlinkatFlags::RemoveDir)?;
        }
    }
}

/// Gives a directory a name of its own at the top. A name may be left from a removal that was interrupted.
fn lift(from: &OwnedFd, name: &CString, root: &OwnedFd, moved: &mut u64) -> nix::Result<()> {
    loop {
        *moved += 1;
        match renameat(from, name.as_c_str(), root, format!(".removing-{moved}").as_str()) {
            Err(Errno::EEXIST | Errno::ENOTEMPTY | Errno::ENOTDIR) => {}
            other => return other,
        }
    }
}

fn names_in(parent: &OwnedFd) -> nix::Result<Vec<CString>> {
    let mut directory =
        Dir::openat(parent, c".", OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())?;
    let mut names = Vec::new();
    for entry in directory.iter() {
        let name = entry?.file_name().to_owned();
        if name.as_c_str() != c"." && name.as_c_str() != c".." {
            names.push(name);
        }
    }
    Ok(names)
}

fn open_directory(parent: &OwnedFd, name: &CString) -> nix::Result<OwnedFd> {
    unlock(parent, name)?;
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(parent, name.as_c_str(), flags, Mode::empty())
}

/// Nothing changes the tree any more: that it is a directory and no link has just been looked at.
fn unlock(parent: &OwnedFd, name: &CString) -> nix::Result<()> {
    fchmodat(parent, name.as_c_str(), Mode::S_IRWXU, FchmodatFlags::FollowSymlink)
}

fn is_directory(parent: &OwnedFd, name: &CString) -> nix::Result<bool> {
    let found = fstatat(parent, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW)?;
    Ok(SFlag::from_bits_truncate(found.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFDIR)
}
