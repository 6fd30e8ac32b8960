//! Resolves paths inside one directory, component by component.
//!
//! Each step opens one component relative to the open directory before it and never lets the kernel follow a symbolic
//! link. Links are read and followed here, where their targets can be checked. A process that replaces a directory by a
//! link during the walk can therefore not lead it outside. `openat2` would do the same in one call, but gVisor long
//! answered it with `ENOSYS`.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, openat, readlinkat, statat};
use rustix::io::Errno;

use super::path::{RelativePath, below, is_git_name};
use crate::error::ToolError;

/// Maximum symbolic links on one path; the same as Linux's limit.
const MAX_LINKS: usize = 40;

/// The directory that paths are resolved in, held open.
pub(crate) struct Root {
    directory: OwnedFd,
    path: PathBuf,
}

/// Whether symbolic links that stay inside the root are followed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    Follow,
    Refuse,
}

/// A resolved path.
pub(crate) struct Located {
    /// The real path, without links.
    pub(crate) path: RelativePath,
    pub(crate) found: Found,
    /// The deepest existing directory on the path.
    directory: OwnedFd,
    /// The directories to create below `directory` before `name` can exist.
    pub(super) missing: Vec<String>,
    /// The last component.
    pub(super) name: String,
}

/// What a path leads to.
pub(crate) enum Found {
    Nothing,
    File(Stat),
    /// A symbolic link that was not followed: only with [`Links::Refuse`], and only as the last component.
    Link,
    Directory,
    /// A device, a socket or a pipe.
    Other,
}

impl Root {
    pub(crate) fn open(path: &Path) -> Result<Self, ToolError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(CWD, path, flags, Mode::empty())
            .map_err(|error| ToolError::io("opening the directory", path.display().to_string())(error.into()))?;
        Ok(Self { directory, path: path.to_path_buf() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Resolves a path from a model. Symbolic links are followed as long as they stay inside.
    pub(crate) fn locate(&self, given: &str) -> Result<Located, ToolError> {
        self.walk(&RelativePath::parse(given, &self.path)?, given, Links::Follow)
    }

    /// Resolves a path from a changeset or a listing. A symbolic link before the last component is an error.
    pub(crate) fn locate_exact(&self, path: &RelativePath) -> Result<Located, ToolError> {
        self.walk(path, path.as_str(), Links::Refuse)
    }

    fn walk(&self, path: &RelativePath, given: &str, links: Links) -> Result<Located, ToolError> {
        let mut pending: VecDeque<String> = path.components().map(str::to_owned).collect();
        let mut trail: Vec<(String, OwnedFd)> = Vec::new();
        let mut followed = 0;
        while let Some(name) = pending.pop_front() {
            let outside = |link: &str| ToolError::LinkOutside { path: given.to_owned(), link: link.to_owned() };
            if name == ".." {
                // Only the target of a link can contain `..`: `RelativePath` refuses it in a given path.
                if trail.pop().is_none() {
                    return Err(outside(given));
                }
                continue;
            }
            if is_git_name(&name) {
                return Err(ToolError::GitDirectory { path: given.to_owned() });
            }
            let here = trail.last().map_or(self.directory.as_fd(), |(_, directory)| directory.as_fd());
            let stat = match statat(here, name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => Some(stat),
                Err(Errno::NOENT) => None,
                Err(error) => return Err(ToolError::io("reading", given)(error.into())),
            };
            let found = match stat {
                None => Found::Nothing,
                Some(stat) => match FileType::from_raw_mode(stat.st_mode) {
                    FileType::Directory => {
                        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                        let directory = openat(here, name.as_str(), flags, Mode::empty())
                            .map_err(|error| ToolError::io("opening", given)(error.into()))?;
                        trail.push((name, directory));
                        continue;
                    }
                    FileType::Symlink if links == Links::Follow => {
                        followed += 1;
                        if followed > MAX_LINKS {
                            return Err(ToolError::LinkLoop { path: given.to_owned() });
                        }
                        let target = read_link(here, &name).map_err(ToolError::io("reading the link", given))?;
                        let target = if target.starts_with('/') {
                            trail.clear();
                            below(&target, &self.path).ok_or_else(|| outside(&name))?.to_owned()
                        } else {
                            target
                        };
                        for component in target.split('/').rev().filter(|part| !matches!(*part, "" | ".")) {
                            pending.push_front(component.to_owned());
                        }
                        continue;
                    }
                    FileType::Symlink if pending.is_empty() => Found::Link,
                    FileType::Symlink => {
                        return Err(ToolError::LinkRefused { path: given.to_owned(), link: name });
                    }
                    FileType::RegularFile => Found::File(stat),
                    FileType::Fifo
                    | FileType::Socket
                    | FileType::CharacterDevice
                    | FileType::BlockDevice
                    | FileType::Unknown => Found::Other,
                },
            };
            return self.locate_end(trail, name, pending.into(), found, given);
        }
        let path = RelativePath::from_components(trail.iter().map(|(name, _)| name.as_str()));
        let (name, directory) = match trail.pop() {
            Some((name, own)) => (name, trail.pop().map_or_else(|| self.reopen(own), |(_, parent)| Ok(parent))),
            None => (String::new(), self.reopen_root()),
        };
        Ok(Located { path, found: Found::Directory, directory: directory?, missing: Vec::new(), name })
    }

    /// The end of a walk at `name`, which does not exist or is not a directory; `rest` are the components after it.
    fn locate_end(
        &self,
        mut trail: Vec<(String, OwnedFd)>,
        name: String,
        rest: Vec<String>,
        found: Found,
        given: &str,
    ) -> Result<Located, ToolError> {
        if !rest.is_empty() && !matches!(found, Found::Nothing) {
            let what = "below something that is not a directory".to_owned();
            return Err(ToolError::WrongType { path: given.to_owned(), what, advice: "Check the path." });
        }
        let names = || trail.iter().map(|(name, _)| name.as_str()).chain([name.as_str()]);
        if rest.iter().any(|component| component == ".." || is_git_name(component)) {
            return Err(ToolError::BadPath {
                path: given.to_owned(),
                reason: "a symbolic link on it leads to nothing",
            });
        }
        let path = RelativePath::from_components(names().chain(rest.iter().map(String::as_str)));
        let (mut missing, mut name) = (Vec::new(), name);
        for component in rest {
            missing.push(std::mem::replace(&mut name, component));
        }
        let directory = match trail.pop() {
            Some((_, directory)) => directory,
            None => self.reopen_root()?,
        };
        Ok(Located { path, found, directory, missing, name })
    }

    fn reopen_root(&self) -> Result<OwnedFd, ToolError> {
        self.directory.try_clone().map_err(ToolError::io("opening", self.path.display().to_string()))
    }

    /// The parent of a directory directly below the root: the root. The directory's own descriptor is closed.
    fn reopen(&self, own: OwnedFd) -> Result<OwnedFd, ToolError> {
        drop(own);
        self.reopen_root()
    }
}

impl Located {
    pub(super) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// The path for messages.
    pub(crate) fn display_path(&self) -> String {
        self.path.to_string()
    }

    /// Reads a regular file of at most `limit` bytes. `advice` completes the error for a larger one.
    pub(crate) fn read(&self, limit: u64, advice: &'static str) -> Result<Vec<u8>, ToolError> {
        let too_large = |bytes| ToolError::TooLarge { path: self.display_path(), bytes, limit, advice };
        // The file may have been replaced by a pipe since the walk, and a pipe must not block the open.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&self.directory, self.name.as_str(), flags, Mode::empty())
            .map_err(|error| ToolError::io("opening", self.display_path())(error.into()))?;
        let file = File::from(file);
        let metadata = file.metadata().map_err(ToolError::io("reading", self.display_path()))?;
        if !metadata.is_file() {
            let what = "not a regular file".to_owned();
            return Err(ToolError::WrongType {
                path: self.display_path(),
                what,
                advice: "It cannot be read with this tool.",
            });
        }
        if metadata.len() > limit {
            return Err(too_large(metadata.len()));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
        file.take(limit + 1).read_to_end(&mut bytes).map_err(ToolError::io("reading", self.display_path()))?;
        if bytes.len() as u64 > limit { Err(too_large(bytes.len() as u64)) } else { Ok(bytes) }
    }

    /// The target of a [`Found::Link`].
    pub(crate) fn link_target(&self) -> Result<Vec<u8>, ToolError> {
        readlinkat(&self.directory, self.name.as_str(), Vec::new())
            .map(std::ffi::CString::into_bytes)
            .map_err(|error| ToolError::io("reading the link", self.display_path())(error.into()))
    }
}

fn read_link(directory: BorrowedFd<'_>, name: &str) -> io::Result<String> {
    let target = readlinkat(directory, name, Vec::new())?;
    target.into_string().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "its target is not UTF-8"))
}
