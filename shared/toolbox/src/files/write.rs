//! Changes files atomically: a file is replaced as a whole or not at all.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, fchmod, mkdirat, openat, renameat, symlinkat, unlinkat};
use rustix::io::Errno;

use super::path::RelativePath;
use super::root::{Found, Located, Root};
use crate::error::ToolError;

/// The permission bits of a written file.
#[derive(Clone, Copy)]
pub(crate) enum Permissions {
    /// Those of the file that is replaced; for a new file, those that the umask allows.
    Keep,
    Set(u32),
}

impl Located {
    /// Writes `content` to a temporary file beside the path and renames it over the path. A reader sees the old file or the
    /// new one, and a hard link to the old file elsewhere keeps its content. Missing directories are created.
    pub(crate) fn replace(&self, content: &[u8], permissions: Permissions) -> Result<(), ToolError> {
        let failed = ToolError::io("writing", self.display_path());
        self.try_replace(content, permissions).map_err(failed)
    }

    fn try_replace(&self, content: &[u8], permissions: Permissions) -> io::Result<()> {
        let directory = self.create_directories()?;
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
            // The write's own error is reported; a temporary file that stays behind is harmless.
            let _ = unlinkat(&directory, temporary.as_str(), AtFlags::empty());
        }
        result
    }

    /// Creates a symbolic link at the path. It replaces a file or link.
    pub(crate) fn link_to(&self, target: &[u8]) -> Result<(), ToolError> {
        let create = || -> io::Result<()> {
            let directory = self.create_directories()?;
            match symlinkat(target, &directory, self.name.as_str()) {
                Err(Errno::EXIST) => {
                    unlinkat(&directory, self.name.as_str(), AtFlags::empty())?;
                    Ok(symlinkat(target, &directory, self.name.as_str())?)
                }
                created => Ok(created?),
            }
        };
        create().map_err(ToolError::io("linking", self.display_path()))
    }

    /// Removes a file or link. Nothing at the path is no error.
    pub(crate) fn remove(&self) -> Result<(), ToolError> {
        match unlinkat(self.directory(), self.name.as_str(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(ToolError::io("deleting", self.display_path())(error.into())),
        }
    }

    /// Removes a directory if it is empty, and returns whether it did.
    pub(crate) fn remove_empty_directory(&self) -> bool {
        unlinkat(self.directory(), self.name.as_str(), AtFlags::REMOVEDIR).is_ok()
    }

    fn create_directories(&self) -> io::Result<OwnedFd> {
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
    /// Removes the directories above a deleted path that are now empty, as git does.
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
