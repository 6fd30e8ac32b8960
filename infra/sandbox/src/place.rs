//! A sandbox's directory on the host.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown, fchown};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use nix::unistd::Uid;

use crate::Error;
use crate::layout::Layout;
use crate::part::Failure;
use crate::restrictions::{NOBODY, owner};
use crate::specification::{Mode, Specification};
use crate::spool::Spool;

/// The directory, made, owned and locked.
pub(crate) struct Place {
    pub(crate) specification: Specification,
    pub(crate) layout: Layout,
    pub(crate) spool: Spool,
    /// Held by this process and by what must be gone before another may take over.
    pub(crate) lock: File,
}

impl Place {
    pub(crate) fn open(specification: Specification, layout: Layout) -> Result<Self, Error> {
        let directory = &specification.directory;
        if let Some(parent) = directory.parent() {
            fs::create_dir_all(parent).map_err(failed(parent))?;
        }
        let root = Uid::effective().is_root();
        // Without namespaces nobody has to pass through on its way to the workspace.
        let mode = if root && specification.mode == Mode::Reduced { 0o711 } else { 0o700 };
        refuse_foreign(directory)?;
        make(directory, mode).map_err(failed(directory))?;
        let lock = take_lock(directory)?;
        let host = Layout::on_host(directory, Vec::new());
        for path in host.writable().into_iter().chain([host.state.as_path()]) {
            make(path, 0o700).map_err(failed(path))?;
            if root {
                chown(path, Some(NOBODY), Some(NOBODY)).map_err(failed(path))?;
            }
        }
        let group = root.then_some(NOBODY);
        let spool = Spool::new(host.outputs.clone(), group, specification.record);
        make(&host.outputs, spool.directory_mode()).map_err(failed(&host.outputs))?;
        if root {
            chown(&host.outputs, None, group).map_err(failed(&host.outputs))?;
        }
        if specification.mode == Mode::Reduced {
            trust_repositories(&host.home).map_err(failed(&host.home))?;
        }
        Ok(Self { specification, layout, spool, lock })
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> Failure {
    Failure::other(path.display())
}

/// Makes a directory, or restores the mode of one that a command closed to itself. Its parent is never writable to commands,
/// so that what stands there is ours.
fn make(path: &Path, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    if !fs::symlink_metadata(path)?.is_dir() {
        return Err(io::Error::from(io::ErrorKind::NotADirectory));
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// A directory with other content would be closed to its owner now and deleted at the end.
fn refuse_foreign(directory: &Path) -> Result<(), Failure> {
    let mut entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(directory)(error)),
    };
    let ours = entries.next().is_none() || directory.join("lock").exists();
    if ours { Ok(()) } else { Err(Failure::other(directory.display())("holds something else than a sandbox")) }
}

/// A supervisor that was just killed may still be dying.
fn take_lock(directory: &Path) -> Result<File, Error> {
    let path = directory.join("lock");
    let options = || OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let lock = options().map_err(Failure::other(path.display()))?;
    for _ in 0..100 {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) => sleep(Duration::from_millis(10)),
            Err(TryLockError::Error(error)) => return Err(Failure::other(path.display())(error).into()),
        }
    }
    Err(Error::InUse { directory: directory.to_path_buf() })
}

/// What /etc/gitconfig says in an isolated sandbox. Never opens what a command put there.
fn trust_repositories(home: &Path) -> io::Result<()> {
    use std::io::Write;
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o644).open(home.join(".gitconfig"));
    match opened {
        Ok(mut file) => {
            fchown(&file, Some(owner().as_raw()), None)?;
            file.write_all(b"[safe]\n\tdirectory = *\n")
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}
