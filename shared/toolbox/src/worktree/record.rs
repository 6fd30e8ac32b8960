//! The record of the fresh checkout.

use std::io;
use std::path::Path;

use bstr::{BString, ByteSlice};
use gix_filter::eol::{AutoCrlf, Configuration};
use gix_hash::ObjectId;
use rustix::fs::{AtFlags, FileType, statat};
use serde::{Deserialize, Serialize};

use super::stamp::{Stamp, Time};
use super::state_file::{self, NewRecord};
use crate::change::Mode;
use crate::files::root::Root;

/// The name of the file in the pristine git directory.
const NAME: &str = "checkout";

/// The files of the base commit, and what of the checkout's git directory decides how files are compared with them. Nothing
/// of the workspace's git directory is read again.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    written: Time,
    pub(crate) settings: Settings,
    /// Sorted by path.
    pub(crate) entries: Vec<Entry>,
}

/// The repository's settings.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) sha256: bool,
    /// `core.fileMode`: whether executable bits count.
    pub(crate) file_mode: bool,
    pub(crate) autocrlf: Autocrlf,
    /// `core.eol`: true for `crlf`, false for `lf`; none for the platform's.
    pub(crate) eol_crlf: Option<bool>,
    /// The content of `info/exclude`.
    pub(crate) exclude: BString,
    /// The content of `info/attributes`.
    pub(crate) attributes: BString,
}

/// `core.autocrlf`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Autocrlf {
    False,
    Input,
    True,
}

/// A path in the base commit.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) path: BString,
    pub(crate) kind: EntryKind,
    id: BString,
    /// None when the fresh checkout had nothing of this kind at the path.
    stamp: Option<Stamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum EntryKind {
    File(Mode),
    Submodule,
}

impl Record {
    /// Records the checkout. `tree` is git's listing of the base commit: `<mode> <type> <id>\t<path>` for each file, each
    /// terminated by NUL and sorted by path.
    ///
    /// The checkout is fresh, so its files are those of the commit. Whether git would say so after reading them is another
    /// question: a file that was committed with other line endings than its attributes ask for differs once it is touched.
    pub(crate) fn write(root: &Root, directory: &Path, tree: &[u8], settings: Settings) -> io::Result<Self> {
        let new = NewRecord::begin(directory, NAME)?;
        // Before the files are looked at: one that is written after its look has a time that is not before this one.
        let written = new.begun()?;
        let mut entries: Vec<Entry> = tree.split(|byte| *byte == 0).filter_map(Entry::parse).collect();
        for entry in &mut entries {
            entry.stamp = statat(root.directory(), entry.path.as_slice(), AtFlags::SYMLINK_NOFOLLOW)
                .ok()
                .filter(|stat| entry.kind.fits(stat.st_mode))
                .map(|stat| Stamp::of(&stat));
        }
        let record = Self { written, settings, entries };
        new.finish(directory, NAME, &record)?;
        Ok(record)
    }

    pub(crate) fn load(directory: &Path) -> io::Result<Self> {
        let record: Self = state_file::load(directory, NAME)?;
        if record.entries.is_sorted_by(|one, other| one.path < other.path) {
            Ok(record)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, "its paths are not sorted"))
        }
    }

    pub(crate) fn find(&self, path: &str) -> Option<&Entry> {
        let index = self.entries.binary_search_by(|entry| entry.path.as_slice().cmp(path.as_bytes())).ok()?;
        self.entries.get(index)
    }

    /// Whether a file looks as it did in the fresh checkout, so that it need not be read.
    pub(crate) fn is_untouched(&self, entry: &Entry, now: &Stamp) -> bool {
        entry.stamp.as_ref() == Some(now) && !now.is_racy(self.written)
    }
}

impl Settings {
    pub(crate) fn object_hash(&self) -> gix_hash::Kind {
        if self.sha256 { gix_hash::Kind::Sha256 } else { gix_hash::Kind::Sha1 }
    }

    pub(crate) fn line_endings(&self) -> Configuration {
        use gix_filter::eol::Mode::{CrLf, Lf};
        Configuration {
            auto_crlf: match self.autocrlf {
                Autocrlf::False => AutoCrlf::Disabled,
                Autocrlf::Input => AutoCrlf::Input,
                Autocrlf::True => AutoCrlf::Enabled,
            },
            eol: self.eol_crlf.map(|crlf| if crlf { CrLf } else { Lf }),
        }
    }
}

impl Entry {
    fn parse(line: &[u8]) -> Option<Self> {
        let (head, path) = line.split_once_str(b"\t")?;
        let mut words = head.split_str(b" ");
        let (mode, id) = (words.next()?, words.nth(1)?);
        let kind = match mode {
            b"100755" => EntryKind::File(Mode::Executable),
            b"120000" => EntryKind::File(Mode::Symlink),
            b"160000" => EntryKind::Submodule,
            // Old repositories also have 100664.
            _ => EntryKind::File(Mode::Regular),
        };
        let id = ObjectId::from_hex(id).ok()?;
        Some(Self { path: path.into(), kind, id: id.as_bytes().into(), stamp: None })
    }

    /// None when the record is damaged.
    pub(crate) fn id(&self) -> Option<&gix_hash::oid> {
        gix_hash::oid::try_from_bytes(&self.id).ok()
    }
}

impl EntryKind {
    fn fits(self, mode: u32) -> bool {
        match (self, FileType::from_raw_mode(mode)) {
            (Self::File(Mode::Symlink), FileType::Symlink) | (Self::Submodule, FileType::Directory) => true,
            (Self::File(Mode::Regular | Mode::Executable), FileType::RegularFile) => true,
            (Self::File(_) | Self::Submodule, _) => false,
        }
    }
}
