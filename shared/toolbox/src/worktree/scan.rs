//! Walks the workspace and finds the paths that may differ from the base commit.
//!
//! Each directory is read once, for what the base commit does not have, and each file of the base commit is looked at once. No
//! link is followed, nothing is opened but directories and their ignore rules, and `.git` is not entered.

use std::ops::Range;
use std::os::fd::AsFd;

use bstr::ByteSlice;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, openat, statat};
use rustix::io::Errno;

use super::ignores::{Level, MAX_RULES_BYTES, Patterns, exclude};
use super::left_out::LeftOut;
use super::leftovers;
use super::record::{Entry, EntryKind, Record};
use super::settled::Settled;
use super::stamp::Stamp;
use super::submodule;
use super::written::{self, Place, Written};
use crate::error::ToolError;
use crate::files::path::RelativePath;
use crate::files::root::Root;

/// Maximum levels of directories. Each takes a file descriptor while it is walked.
const MAX_LEVELS: usize = 400;
/// Maximum untracked entries of one directory that are held in memory.
const MAX_UNTRACKED_ENTRIES: usize = 100_000;
/// Minimum files of the base commit for which a second thread is worth its start.
const MIN_ENTRIES_FOR_THREADS: usize = 2_000;
const DIRECTORY_BUFFER_BYTES: usize = 32 << 10;

const SUBMODULE: &str = "it is a submodule or a git repository of its own";
pub(crate) const SPECIAL: &str = "it is a device, a socket or a pipe";

/// A path that may differ.
pub(crate) struct Candidate {
    pub(crate) path: String,
    /// Its place in the record; none for a path that the base commit does not have.
    pub(crate) entry: Option<usize>,
    pub(crate) now: Now,
}

pub(crate) enum Now {
    Nothing,
    File(Stamp),
    Link(Stamp),
}

impl Now {
    pub(crate) fn stamp(&self) -> Option<&Stamp> {
        match self {
            Self::Nothing => None,
            Self::File(stamp) | Self::Link(stamp) => Some(stamp),
        }
    }
}

/// The candidates, sorted by path, and the paths that cannot be one. What is settled is neither, unless it is in `written`. Of the other
/// untracked files, at most `max_untracked` become candidates.
pub(crate) fn scan(
    root: &Root,
    record: &Record,
    settled: &Settled,
    written: &Written,
    max_untracked: usize,
) -> Result<(Vec<Candidate>, LeftOut), ToolError> {
    let directory = openat(root.directory(), ".", DIRECTORY, Mode::empty())
        .map_err(|error| ToolError::io("opening the directory", root.path().display().to_string())(error.into()))?;
    let level = Level::root(directory);
    let exclude = exclude(&record.settings.exclude);
    let scan = || Scan {
        record,
        settled,
        written,
        exclude: exclude.as_ref(),
        max_untracked,
        untracked: 0,
        candidates: Vec::new(),
        left_out: LeftOut::new(written),
        buffer: Vec::with_capacity(DIRECTORY_BUFFER_BYTES),
    };
    let children = children(&record.entries, 0..record.entries.len(), 0);
    let middle = children.partition_point(|child| child.range.start < record.entries.len() / 2);
    let (first, second) = children.split_at(middle);
    let (mut one, mut other) = (scan(), scan());
    let untracked = one.untracked(&level, &children);
    // The walk waits for the kernel, so two threads take half the time. The halves are fixed, and so is the answer.
    std::thread::scope(|threads| {
        if record.entries.len() >= MIN_ENTRIES_FOR_THREADS {
            threads.spawn(|| other.visit_children(&level, second, Vec::new(), 0));
        } else {
            other.visit_children(&level, second, Vec::new(), 0);
        }
        one.visit_children(&level, first, untracked, 0);
    });
    let Scan { mut candidates, mut left_out, .. } = one;
    candidates.extend(other.candidates);
    left_out.merge(other.left_out);
    candidates.sort_by(|one, other| one.path.cmp(&other.path));
    add_written(root, record, written, &mut candidates, &mut left_out);
    Ok((candidates, left_out))
}

/// Adds the written paths that the walk has not come to, such as those that the repository ignores.
fn add_written(
    root: &Root,
    record: &Record,
    written: &Written,
    candidates: &mut Vec<Candidate>,
    left_out: &mut LeftOut,
) {
    let known = candidates.len();
    for path in written.iter().filter(|path| record.find(path).is_none()) {
        if candidates[..known].binary_search_by(|candidate| candidate.path.as_str().cmp(path)).is_ok() {
            continue;
        }
        match written::look(root, record, path) {
            Place::Nothing => {}
            Place::Candidate(now) => {
                left_out.take_back(path);
                candidates.push(Candidate { path: path.to_owned(), entry: None, now });
            }
            Place::LeftOut(reason) => left_out.add_name(path.to_owned(), reason),
        }
    }
    candidates.sort_by(|one, other| one.path.cmp(&other.path));
}

pub(crate) const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

struct Scan<'a> {
    record: &'a Record,
    settled: &'a Settled,
    written: &'a Written,
    exclude: Option<&'a Patterns>,
    max_untracked: usize,
    untracked: usize,
    candidates: Vec<Candidate>,
    left_out: LeftOut,
    buffer: Vec<u8>,
}

/// An entry of a directory in the base commit.
struct Child<'a> {
    name: &'a [u8],
    /// Its files in the record; one, if it is a file itself.
    range: Range<usize>,
    is_directory: bool,
}

struct Untracked {
    name: Vec<u8>,
    kind: FileType,
}

impl Scan<'_> {
    /// Walks a directory whose files in the base commit are those in `range` of the record.
    fn visit(&mut self, level: &Level<'_>, range: Range<usize>, depth: usize) {
        let children = children(&self.record.entries, range, level.prefix.len());
        let untracked = self.untracked(level, &children);
        self.visit_children(level, &children, untracked, depth);
    }

    fn visit_children(
        &mut self,
        level: &Level<'_>,
        children: &[Child<'_>],
        mut untracked: Vec<Untracked>,
        depth: usize,
    ) {
        let record = self.record;
        for child in children {
            if child.is_directory {
                self.visit_tracked(level, child, &mut untracked, depth);
            } else if let Some(entry) = record.entries.get(child.range.start) {
                self.compare(level, child, entry, &mut untracked);
            }
        }
        untracked.sort_by(|one, other| one.name.cmp(&other.name));
        for Untracked { name, kind } in untracked {
            match kind {
                FileType::Directory => self.visit_untracked(level, &name, depth),
                FileType::RegularFile | FileType::Symlink => self.add_untracked(level, &name),
                // Git does not see these.
                FileType::Fifo
                | FileType::Socket
                | FileType::CharacterDevice
                | FileType::BlockDevice
                | FileType::Unknown => self.leave_behind(&level.path(&name), SPECIAL),
            }
        }
    }

    /// Reads a directory and returns what is neither in the base commit nor ignored.
    fn untracked(&mut self, level: &Level<'_>, children: &[Child<'_>]) -> Vec<Untracked> {
        let mut untracked = Vec::new();
        let mut more = 0;
        let mut directory = RawDir::new(&level.directory, self.buffer.spare_capacity_mut());
        while let Some(Ok(entry)) = directory.next() {
            let name = entry.file_name().to_bytes();
            let is_tracked = children.binary_search_by(|child| child.name.cmp(name)).is_ok();
            if is_tracked || matches!(name, b"." | b".." | b".git") {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => statat(&level.directory, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
                    .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode)),
                kind => kind,
            };
            if level.ignores(name, kind == FileType::Directory, self.exclude) {
                continue;
            }
            if untracked.len() < MAX_UNTRACKED_ENTRIES {
                untracked.push(Untracked { name: name.to_vec(), kind });
            } else {
                more += 1;
            }
        }
        self.left_out.add_unnamed(more);
        if level.has_too_many_rules() {
            let path = level.path(b".gitignore");
            let reason = format!("its rules are not applied: it has more than {MAX_RULES_BYTES} bytes");
            self.left_out.add(&path, reason);
        }
        untracked
    }

    fn visit_tracked(&mut self, level: &Level<'_>, child: &Child<'_>, untracked: &mut Vec<Untracked>, depth: usize) {
        match openat(&level.directory, child.name, DIRECTORY, Mode::empty()) {
            Ok(directory) if depth < MAX_LEVELS => {
                self.visit(&level.below(directory, child.name), child.range.clone(), depth + 1);
            }
            Ok(_) => self.left_out.add(&level.path(child.name), TOO_DEEP),
            Err(Errno::NOENT) => self.delete(child.range.clone()),
            Err(Errno::NOTDIR | Errno::LOOP) => {
                self.delete(child.range.clone());
                self.replaced(level, child.name, untracked);
            }
            Err(error) => {
                self.left_out.add(&level.path(child.name), format!("the directory cannot be opened: {error}"));
            }
        }
    }

    /// Something of another kind is now at the path of a tracked directory or file. It is untracked.
    fn replaced(&self, level: &Level<'_>, name: &[u8], untracked: &mut Vec<Untracked>) {
        let Ok(stat) = statat(&level.directory, name, AtFlags::SYMLINK_NOFOLLOW) else { return };
        let kind = FileType::from_raw_mode(stat.st_mode);
        if !level.ignores(name, kind == FileType::Directory, self.exclude) {
            untracked.push(Untracked { name: name.to_vec(), kind });
        }
    }

    /// Compares a file, link or submodule of the base commit with what is at its path.
    fn compare(&mut self, level: &Level<'_>, child: &Child<'_>, entry: &Entry, untracked: &mut Vec<Untracked>) {
        let stat = match statat(&level.directory, child.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return self.delete(child.range.clone()),
            Err(error) => return self.left_out.add(&entry.path, format!("it cannot be read: {error}")),
        };
        let stamp = Stamp::of(&stat);
        let now = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory if entry.kind == EntryKind::Submodule => {
                return self.compare_submodule(level, child, entry);
            }
            FileType::Directory => {
                // In git's view the path now holds a submodule.
                if self.is_repository(level, child.name) {
                    return self.left_out.add(&entry.path, SUBMODULE);
                }
                self.delete(child.range.clone());
                return self.replaced(level, child.name, untracked);
            }
            _ if self.record.is_untouched(entry, &stamp) => return,
            FileType::RegularFile => Now::File(stamp),
            FileType::Symlink => Now::Link(stamp),
            FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => return self.left_out.add(&entry.path, SPECIAL),
        };
        self.add(&entry.path, Some(child.range.start), now);
    }

    /// A submodule that was not fetched is an empty directory, and git looks into none that is not a repository.
    fn compare_submodule(&mut self, level: &Level<'_>, child: &Child<'_>, entry: &Entry) {
        let head = openat(&level.directory, child.name, DIRECTORY, Mode::empty())
            .ok()
            .and_then(|directory| submodule::head(directory.as_fd()));
        if head.is_some_and(|head| entry.id().is_none_or(|id| id.to_hex().to_string().as_bytes() != head)) {
            self.left_out.add(&entry.path, SUBMODULE);
        }
    }

    fn is_repository(&self, level: &Level<'_>, name: &[u8]) -> bool {
        openat(&level.directory, name, DIRECTORY, Mode::empty())
            .is_ok_and(|directory| submodule::is_repository(directory.as_fd()))
    }

    fn visit_untracked(&mut self, level: &Level<'_>, name: &[u8], depth: usize) {
        let path = level.path(name);
        match openat(&level.directory, name, DIRECTORY, Mode::empty()) {
            Ok(directory) if submodule::is_repository(directory.as_fd()) => {
                self.left_out.add(&path, "it is a git repository of its own");
            }
            Ok(directory) if let Some(what) = leftovers::folder(level.directory.as_fd(), name, directory.as_fd()) => {
                self.leave_behind(&[path.as_slice(), b"/"].concat(), what);
            }
            Ok(directory) if depth < MAX_LEVELS => self.visit(&level.below_untracked(directory, name), 0..0, depth + 1),
            Ok(_) => self.left_out.add(&path, TOO_DEEP),
            // It was deleted or replaced meanwhile.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(error) => self.left_out.add(&path, format!("the directory cannot be opened: {error}")),
        }
    }

    fn leave_behind(&mut self, path: &[u8], what: &str) {
        let path = String::from_utf8_lossy(path).into_owned();
        if !self.settled.is_leftover(&path) {
            self.left_out.add_leftover(path, what);
        }
    }

    fn add_untracked(&mut self, level: &Level<'_>, name: &[u8]) {
        let path = level.path(name);
        let is_written = path.to_str().is_ok_and(|path| self.written.contains(path));
        if !is_written && let Some(what) = leftovers::file(level.directory.as_fd(), name) {
            return self.leave_behind(&path, what);
        }
        let Ok(stat) = statat(&level.directory, name, AtFlags::SYMLINK_NOFOLLOW) else { return };
        let stamp = Stamp::of(&stat);
        if self.untracked >= self.max_untracked && !is_written {
            let is_settled = path.to_str().is_ok_and(|path| self.settled.is_untouched(path, Some(&stamp)));
            if !is_settled {
                self.left_out.add(&path, format!("more than {} files differ", self.max_untracked));
            }
            return;
        }
        let now = if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            Now::Link(stamp)
        } else {
            Now::File(stamp)
        };
        if self.add(&path, None, now) {
            self.untracked += 1;
        }
    }

    fn delete(&mut self, range: Range<usize>) {
        let record = self.record;
        for (index, entry) in record.entries.iter().enumerate().take(range.end).skip(range.start) {
            match entry.kind {
                EntryKind::File(_) => drop(self.add(&entry.path, Some(index), Now::Nothing)),
                EntryKind::Submodule => self.left_out.add(&entry.path, "it is a submodule"),
            }
        }
    }

    fn add(&mut self, path: &[u8], entry: Option<usize>, now: Now) -> bool {
        match path.to_str() {
            Err(_) => self.left_out.add(path, "its name is not UTF-8"),
            Ok(path) if RelativePath::exact(path).is_err() => {
                self.left_out.add_name(path.to_owned(), "its name is not allowed in a repository");
            }
            Ok(path) if self.settled.is_untouched(path, now.stamp()) => {}
            Ok(path) => {
                self.candidates.push(Candidate { path: path.to_owned(), entry, now });
                return true;
            }
        }
        false
    }
}

const TOO_DEEP: &str = "too many directories contain each other";

/// The entries of a directory in the base commit, sorted by name. `range` are its files, `prefix` the length of its path.
fn children(entries: &[Entry], range: Range<usize>, prefix: usize) -> Vec<Child<'_>> {
    let mut children = Vec::new();
    let mut start = range.start;
    while start < range.end {
        let path = &entries[start].path[prefix..];
        let Some(slash) = path.find_byte(b'/') else {
            children.push(Child { name: path, range: start..start + 1, is_directory: false });
            start += 1;
            continue;
        };
        let directory = &path[..=slash];
        let length = entries[start..range.end].partition_point(|entry| entry.path[prefix..].starts_with(directory));
        children.push(Child { name: &path[..slash], range: start..start + length, is_directory: true });
        start += length;
    }
    // Git sorts a directory as if its name ended in a slash.
    children.sort_by(|one, other| one.name.cmp(other.name));
    children
}
