//! Records in the toolbox's state directory. A process in the sandbox may have replaced them by anything.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::stamp::Time;

/// Maximum size of a record, in bytes: that of a checkout of more than two million files.
const MAX_BYTES: u64 = 512 << 20;

/// A record that is being written. It replaces the old one as a whole.
pub(crate) struct NewRecord {
    file: File,
}

impl NewRecord {
    /// Begins the record `name` in `directory`.
    pub(crate) fn begin(directory: &Path, name: &str) -> io::Result<Self> {
        let partial = directory.join(format!("{name}.partial"));
        // Not truncated but created anew: what is there may be a pipe, or a link to another file.
        match fs::remove_file(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        Ok(Self { file: File::create_new(partial)? })
    }

    /// When it was begun, by the clock of the file system.
    pub(crate) fn begun(&self) -> io::Result<Time> {
        Ok(Time::modified(&rustix::fs::fstat(&self.file)?))
    }

    pub(crate) fn finish(mut self, directory: &Path, name: &str, record: &impl Serialize) -> io::Result<()> {
        self.file.write_all(&postcard::to_stdvec(record).map_err(io::Error::other)?)?;
        fs::rename(directory.join(format!("{name}.partial")), directory.join(name))
    }
}

/// Reads the record `name` in `directory`.
pub(crate) fn load<T: DeserializeOwned>(directory: &Path, name: &str) -> io::Result<T> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(CWD, directory.join(name), flags, Mode::empty())?);
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not a file, or too large"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    postcard::from_bytes(&bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
