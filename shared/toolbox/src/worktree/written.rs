//! The paths that the model's tools wrote by name. Each is part of the change, or is named with the reason why not.

use std::collections::BTreeSet;

use rustix::fs::{AtFlags, FileType, Mode, openat, statat};
use rustix::io::Errno;

use super::record::{EntryKind, Record};
use super::scan::{DIRECTORY, Now, SPECIAL};
use super::stamp::Stamp;
use super::submodule;
use crate::files::path::RelativePath;
use crate::files::root::Root;

#[derive(Debug, Default, Clone)]
pub(crate) struct Written(BTreeSet<String>);

/// What is at a written path that the base commit does not have.
pub(crate) enum Place {
    /// Nothing that could be published under this path.
    Nothing,
    Candidate(Now),
    /// It is there and cannot be published. A clause.
    LeftOut(String),
}

impl Written {
    pub(crate) fn new(paths: &[String]) -> Self {
        Self(paths.iter().cloned().collect())
    }

    pub(crate) fn contains(&self, path: &str) -> bool {
        self.0.contains(path)
    }

    /// Whether it contains a path or something below it.
    pub(crate) fn concerns(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let below = format!("{path}/");
        self.contains(path) || self.0.range(below.clone()..).next().is_some_and(|next| next.starts_with(&below))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// Looks at a path without following links. What the repository ignores is found too: it was written by name.
pub(crate) fn look(root: &Root, record: &Record, path: &str) -> Place {
    if RelativePath::exact(path).is_err() {
        return Place::LeftOut("its name is not allowed in a repository".to_owned());
    }
    let above = path.match_indices('/').map(|(slash, _)| &path[..slash]);
    if let Some(submodule) = above.into_iter().find(|directory| is_submodule(record, directory)) {
        return Place::LeftOut(format!("{submodule} is a submodule"));
    }
    let Ok(mut directory) = root.directory().try_clone_to_owned() else { return Place::Nothing };
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut walked = String::new();
    for folder in folders.split('/').filter(|folder| !folder.is_empty()) {
        walked.push_str(folder);
        match openat(&directory, folder, DIRECTORY, Mode::empty()) {
            Ok(inner) if submodule::is_repository(std::os::fd::AsFd::as_fd(&inner)) => {
                return Place::LeftOut(format!("{walked} is a git repository of its own"));
            }
            Ok(inner) => directory = inner,
            Err(Errno::NOENT) => return Place::Nothing,
            Err(Errno::NOTDIR | Errno::LOOP) => {
                let stat = statat(&directory, folder, AtFlags::SYMLINK_NOFOLLOW);
                let is_link = stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink);
                return if is_link {
                    Place::LeftOut(format!("{walked} is a symbolic link now"))
                } else {
                    Place::Nothing
                };
            }
            Err(error) => return Place::LeftOut(format!("{walked} cannot be opened: {error}")),
        }
        walked.push('/');
    }
    match statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Place::Candidate(Now::File(Stamp::of(&stat))),
            FileType::Symlink => Place::Candidate(Now::Link(Stamp::of(&stat))),
            FileType::Directory => Place::Nothing,
            FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => Place::LeftOut(SPECIAL.to_owned()),
        },
        Err(Errno::NOENT | Errno::NOTDIR) => Place::Nothing,
        Err(error) => Place::LeftOut(format!("it cannot be read: {error}")),
    }
}

fn is_submodule(record: &Record, path: &str) -> bool {
    record.find(path).is_some_and(|entry| entry.kind == EntryKind::Submodule)
}
