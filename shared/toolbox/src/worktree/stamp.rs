//! What `lstat` says of a file, to tell later whether it was touched.

use rustix::fs::Stat;
use serde::{Deserialize, Serialize};

/// A moment as a file system records it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Time {
    seconds: i64,
    nanoseconds: u64,
}

/// The fields that change when a file is written, replaced or given another mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    pub(crate) bytes: u64,
    modified: Time,
    changed: Time,
    inode: u64,
    mode: u32,
}

impl Time {
    pub(crate) fn modified(stat: &Stat) -> Self {
        Self { seconds: stat.st_mtime, nanoseconds: stat.st_mtime_nsec }
    }
}

impl Stamp {
    pub(crate) fn of(stat: &Stat) -> Self {
        Self {
            bytes: u64::try_from(stat.st_size).unwrap_or_default(),
            modified: Time::modified(stat),
            changed: Time { seconds: stat.st_ctime, nanoseconds: stat.st_ctime_nsec },
            inode: stat.st_ino,
            mode: stat.st_mode,
        }
    }

    pub(crate) fn is_executable(&self) -> bool {
        self.mode & 0o100 != 0
    }

    /// Whether the file may have been written after a record of it, in the same tick of the clock, and still have this stamp.
    /// Git calls such an entry racily clean. `written` is when the record was begun.
    pub(crate) fn is_racy(&self, written: Time) -> bool {
        if self.modified.nanoseconds == 0 {
            // Probably a file system that counts in seconds.
            self.modified.seconds >= written.seconds
        } else {
            self.modified >= written
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_the_time_of_the_record_or_a_later_one_is_racy() {
        let is_racy = |modified: (i64, u64), written: (i64, u64)| {
            let time = |(seconds, nanoseconds)| Time { seconds, nanoseconds };
            let stamp =
                Stamp { bytes: 1, modified: time(modified), changed: Time::default(), inode: 1, mode: 0o100_644 };
            stamp.is_racy(time(written))
        };
        assert!(!is_racy((7, 4), (7, 5)));
        assert!(is_racy((7, 5), (7, 5)));
        assert!(is_racy((8, 1), (7, 5)));
        // A file system that counts in seconds may have cut the time of a later write down to this one.
        assert!(is_racy((7, 0), (7, 5)));
        assert!(!is_racy((6, 0), (7, 5)));
    }
}
