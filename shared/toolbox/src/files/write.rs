//! Changes to the file system: whole files at once, or nothing.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, fchmod, mkdirat, openat, renameat, symlinkat, unlinkat};
use rustix::io::Errno;

use super::path::RelativePath;
use super::root::{Found, Located, Root};
use crate::error::ToolError;

/// The permission bits that a written file gets.
#[derive(Clone, Copy)]
pub(crate) enum Permissions {
    /// Those of the file that was there, or the usual ones for a new file.
    Keep,
    /// Exactly these.
    Set(u32),
}

impl Located {
    /// Puts `content` at the path: written beside it, then renamed over it, so that a reader sees the old or the new
    /// file and a hard link to the old one elsewhere is never written through. Missing directories are made.
    pub(crate) fn replace(&self, content: &[u8], permissions: Permissions) -> Result<(), ToolError> {
        let failed = ToolError::io("writing", self.shown());
        self.try_replace(content, permissions).map_err(failed)
    }

    fn try_replace(&self, content: &[u8], permissions: Permissions) -> io::Result<()> {
        let directory = self.make_directories()?;
        let (temporary, file) = create_temporary(&directory)?;
        let result = (|| {
            let mut file = File::from(file);
            file.write_all(content)?;
            let mode = match (permissions, &self.found) {
                (Permissions::Set(mode), _) => Some(mode),
                (Permissions::Keep, Found::File(stat)) => Some(stat.st_mode & 0o7777),
                (Permissions::Keep, Found::Nothing | Found::Link | Found::Directory | Found::Other) => None,
            };
            if let Some(mode) = mode {
                fchmod(&file, Mode::from_raw_mode(mode))?;
            }
            renameat(&directory, temporary.as_str(), &directory, self.name.as_str())?;
            Ok(())
        })();
        if result.is_err() {
            // The first failure is the one to tell about.
            let _ = unlinkat(&directory, temporary.as_str(), AtFlags::empty());
        }
        result
    }

    /// Makes a symbolic link at the path, in place of a file or link that is there.
    pub(crate) fn link_to(&self, target: &[u8]) -> Result<(), ToolError> {
        let make = || -> io::Result<()> {
            let directory = self.make_directories()?;
            match symlinkat(target, &directory, self.name.as_str()) {
                Err(Errno::EXIST) => {
                    unlinkat(&directory, self.name.as_str(), AtFlags::empty())?;
                    Ok(symlinkat(target, &directory, self.name.as_str())?)
                }
                made => Ok(made?),
            }
        };
        make().map_err(ToolError::io("linking", self.shown()))
    }

    /// Removes a file or link; that there is none is fine.
    pub(crate) fn remove(&self) -> Result<(), ToolError> {
        match unlinkat(self.directory(), self.name.as_str(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(ToolError::io("deleting", self.shown())(error.into())),
        }
    }

    /// Removes a directory if it is empty, and says whether it did.
    pub(crate) fn remove_empty_directory(&self) -> bool {
        unlinkat(self.directory(), self.name.as_str(), AtFlags::REMOVEDIR).is_ok()
    }

    fn make_directories(&self) -> io::Result<OwnedFd> {
        let mut directory = self.directory().try_clone_to_owned()?;
        for name in &self.missing {
            match mkdirat(&directory, name.as_str(), Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            directory = openat(&directory, name.as_str(), flags, Mode::empty())?;
        }
        Ok(directory)
    }
}

impl Root {
    /// Removes the directories above a deleted path that are empty now, as git does.
    pub(crate) fn prune_above(&self, path: &RelativePath) -> Result<(), ToolError> {
        let components: Vec<&str> = path.components().collect();
        for length in (1..components.len()).rev() {
            let parent = RelativePath::from_components(components.iter().take(length).copied());
            let located = self.locate_exact(&parent)?;
            if matches!(located.found, Found::Directory) && !located.remove_empty_directory() {
                break;
            }
        }
        Ok(())
    }
}

fn create_temporary(directory: &impl AsFd) -> io::Result<(String, OwnedFd)> {
    let process = std::process::id();
    for attempt in 0..1000 {
        let name = format!(".{process}-{attempt}.partial");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(directory, name.as_str(), flags, Mode::from_raw_mode(0o666)) {
            Ok(file) => return Ok((name, file)),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "no free name for a temporary file"))
}
