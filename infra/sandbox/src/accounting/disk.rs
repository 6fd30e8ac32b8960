//! What commands have written. Free space is looked at often, which costs nothing; when it has shrunk, the files are counted, by a process
//! of its own, since there may be very many.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::sys::statvfs::statvfs;
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, pipe2};

use crate::layout::Layout;
use crate::place::Place;
use crate::system;
use crate::{LimitReached, Totals};

/// So much less free space, in bytes, or so many fewer free inodes are worth counting.
const STEP_BYTES: u64 = 32 << 20;
const STEP_FILES: u64 = 5_000;
/// So much in one look is fast.
const FAST_BYTES: u64 = 64 << 20;

pub(crate) struct Disk {
    directories: Vec<PathBuf>,
    /// When the sandbox was opened.
    first: Used,
    /// At the last look, and when it was counted last.
    last: Used,
    counted: Used,
    count: Option<(Purpose, Count)>,
    /// What was left over the limit when commands were ended for it. Who does not add to it may go on, to tidy up.
    tolerated: Used,
    is_over: bool,
}

/// What a count is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Commands that use too much are ended.
    Judge,
    /// They were, and nothing runs: what they have left is tolerated.
    Tolerate,
}

/// Of what can be free or in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Used {
    bytes: u64,
    files: u64,
}

/// A process that counts.
struct Count {
    process: Pid,
    pipe: fs::File,
    text: Vec<u8>,
}

impl Disk {
    pub(crate) fn new(place: &Place) -> io::Result<Self> {
        let host = Layout::on_host(&place.specification.directory, Vec::new());
        let directories: Vec<PathBuf> = host.writable().into_iter().map(Path::to_path_buf).collect();
        let free = free(&place.specification.directory)?;
        Ok(Self {
            directories,
            first: free,
            last: free,
            counted: free,
            count: None,
            tolerated: Used::default(),
            is_over: false,
        })
    }

    /// Looks at the free space; true when it shrinks fast.
    pub(crate) fn look(&mut self, totals: &Totals) -> bool {
        if totals.disk_bytes.is_none() && totals.disk_files.is_none() {
            return false;
        }
        let Some(Ok(free)) = self.directories.first().map(|directory| free(directory)) else { return false };
        let shrunk = |since: Used| Used {
            bytes: since.bytes.saturating_sub(free.bytes),
            files: since.files.saturating_sub(free.files),
        };
        let (since_look, since_count) = (shrunk(self.last), shrunk(self.counted));
        self.last = free;
        if self.count.is_none() && (since_count.bytes > STEP_BYTES || since_count.files > STEP_FILES) {
            self.counted = free;
            self.count = Count::begin(&self.directories).ok().map(|count| (Purpose::Judge, count));
        }
        since_look.bytes > FAST_BYTES || self.count.is_some()
    }

    pub(crate) fn source(&self) -> Option<BorrowedFd<'_>> {
        self.count.as_ref().map(|(_, count)| count.pipe.as_fd())
    }

    /// Takes the result of a count; why commands are to end, if they are.
    pub(crate) fn hear(&mut self, totals: &Totals) -> Option<LimitReached> {
        let (purpose, count) = self.count.as_mut()?;
        let (purpose, counted) = (*purpose, count.hear()?);
        self.count = None;
        let used = match counted {
            Some(used) => used,
            // Something is hidden from counting. What is missing on the disk is the next best guess.
            None => Used {
                bytes: self.first.bytes.saturating_sub(self.last.bytes),
                files: self.first.files.saturating_sub(self.last.files),
            },
        };
        if purpose == Purpose::Tolerate {
            self.tolerated = used;
            return None;
        }
        let bytes = totals.disk_bytes.is_some_and(|most| used.bytes > most.max(self.tolerated.bytes));
        let files = totals.disk_files.is_some_and(|most| used.files > most.max(self.tolerated.files));
        self.is_over |= bytes || files;
        match (bytes, files) {
            (true, _) => Some(LimitReached::DiskSpace),
            (false, true) => Some(LimitReached::DiskFiles),
            (false, false) => None,
        }
    }

    /// To be told when nothing runs any more. As long as more is tolerated than the limit, it is counted how much less it has become.
    pub(crate) fn rest(&mut self, totals: &Totals) {
        let exceeds = |used: u64, most: Option<u64>| most.is_some_and(|most| used > most);
        let tolerates =
            exceeds(self.tolerated.bytes, totals.disk_bytes) || exceeds(self.tolerated.files, totals.disk_files);
        if std::mem::take(&mut self.is_over) || tolerates {
            self.end();
            self.count = Count::begin(&self.directories).ok().map(|count| (Purpose::Tolerate, count));
        }
    }

    pub(crate) fn end(&mut self) {
        if let Some((_, count)) = self.count.take() {
            count.end();
        }
    }
}

fn free(directory: &Path) -> io::Result<Used> {
    let found = statvfs(directory)?;
    Ok(Used { bytes: found.blocks_free() * found.fragment_size(), files: found.files_free() })
}

impl Count {
    fn begin(directories: &[PathBuf]) -> io::Result<Self> {
        let (reading, writing) = pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
        let process = system::fork(|| {
            system::close_all_except(&[writing.as_raw_fd()]);
            let _ = set_pdeathsig(Signal::SIGKILL);
            let answer = match count(directories) {
                Ok(used) => format!("{} {}", used.bytes, used.files),
                Err(_) => "hidden".to_owned(),
            };
            let written = fs::File::from(writing).write_all(answer.as_bytes());
            if written.is_ok() { libc::EXIT_SUCCESS } else { libc::EXIT_FAILURE }
        })?;
        Ok(Self { process, pipe: reading.into(), text: Vec::new() })
    }

    /// None while it is not done; then what it has counted, if it could.
    fn hear(&mut self) -> Option<Option<Used>> {
        let mut chunk = [0; 64];
        match self.pipe.read(&mut chunk) {
            Ok(0) => {
                let _ = waitpid(self.process, None);
                let text = String::from_utf8_lossy(&self.text).into_owned();
                let numbers =
                    text.split_once(' ').and_then(|(bytes, files)| Some((bytes.parse().ok()?, files.parse().ok()?)));
                Some(numbers.map(|(bytes, files)| Used { bytes, files }))
            }
            Ok(read) => {
                self.text.extend_from_slice(&chunk[..read]);
                None
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
            Err(_) => Some(None),
        }
    }

    fn end(self) {
        let _ = kill(self.process, Signal::SIGKILL);
        let _ = waitpid(self.process, None);
    }
}

/// What the files below take on the disk. Follows no link. Fails on a directory that cannot be read: something may be hidden in it.
fn count(directories: &[PathBuf]) -> io::Result<Used> {
    let mut used = Used::default();
    let mut linked = HashSet::new();
    let mut pending = directories.to_vec();
    while let Some(directory) = pending.pop() {
        let entries = match fs::read_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        for entry in entries {
            let path = entry?.path();
            let metadata = match fs::symlink_metadata(&path) {
                // It was deleted meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            // Package managers give a file several names.
            if metadata.nlink() > 1 && !metadata.is_dir() && !linked.insert((metadata.dev(), metadata.ino())) {
                continue;
            }
            used.bytes += metadata.blocks() * 512;
            used.files += 1;
            if metadata.is_dir() {
                pending.push(path);
            }
        }
    }
    Ok(used)
}
