//! The record of execs on the host: `spool/<exec id>/{record,stdout,stderr,stdout.tail,stderr.tail}`.
//!
//! `record` is a line when the exec is started and another one when it has ended. Making a file is what takes longest of an exec
//! of a short command, so there is one for both, and none for an output without a byte.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::{ExecId, Exit, Survives};

/// One of the two output streams of an exec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, or both when merged.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    fn head_name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }

    fn tail_name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout.tail",
            Self::Stderr => "stderr.tail",
        }
    }
}

/// The file that says that an exec was started, and how it ended.
const RECORD: &str = "record";

/// What the spool says of an exec that is not running.
#[derive(Debug)]
pub(crate) enum Record {
    Absent,
    Finished(Exit),
    CutOff,
}

/// The spool of one sandbox. Its files are readable inside when the group is the sandbox's.
#[derive(Clone, Debug)]
pub(crate) struct Spool {
    directory: PathBuf,
    group: Option<u32>,
    survives: Survives,
}

impl Spool {
    pub(crate) fn new(directory: PathBuf, group: Option<u32>, survives: Survives) -> Self {
        Self { directory, group, survives }
    }

    pub(crate) fn record(&self, id: &ExecId) -> io::Result<Record> {
        let text = match fs::read(self.path(id, RECORD)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Record::Absent),
            other => other?,
        };
        // A power failure may leave any beginning of what was written.
        let end = text.split_inclusive(|byte| *byte == b'\n').nth(1).filter(|line| line.ends_with(b"\n"));
        Ok(match end.and_then(|line| serde_json::from_slice(line).ok()) {
            Some(exit) => Record::Finished(exit),
            None => Record::CutOff,
        })
    }

    /// Makes the start durable; only then may the command be started.
    pub(crate) fn start(&self, id: &ExecId, argv: &[String]) -> io::Result<()> {
        let directory = self.directory.join(id.as_str());
        match fs::DirBuilder::new().mode(self.directory_mode()).create(&directory) {
            Ok(()) => self.give_to_group(&directory)?,
            // Left by a start that did not come to its record.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        let mut record = self.create(id, RECORD)?;
        let line = format!("{}\n", serde_json::json!({ "argv": argv }));
        // A full disk must not leave a record of a command that was never reached.
        record.write_all(line.as_bytes()).inspect_err(|_| drop(self.take_back(id)))?;
        // On the file systems in use (ext4, xfs, btrfs) this takes the new names on the way to the file along; a further flush
        // for each directory would triple the price of a start.
        self.flush(&record)
    }

    /// Takes back a start whose command was never reached.
    pub(crate) fn take_back(&self, id: &ExecId) -> io::Result<()> {
        fs::remove_dir_all(self.directory.join(id.as_str()))
    }

    pub(crate) fn create_head(&self, id: &ExecId, stream: Stream) -> io::Result<File> {
        self.create(id, stream.head_name())
    }

    pub(crate) fn write_tail(&self, id: &ExecId, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.create(id, stream.tail_name())?;
        file.write_all(bytes)?;
        self.flush(&file)
    }

    /// Records the end with one write. Should a power failure or a full disk take some of it, the exec counts as cut off, never
    /// as not started.
    pub(crate) fn finish(&self, id: &ExecId, exit: &Exit) -> io::Result<()> {
        let mut record = OpenOptions::new().append(true).open(self.path(id, RECORD))?;
        record.write_all(format!("{}\n", serde_json::to_string(exit)?).as_bytes())?;
        self.flush(&record)
    }

    pub(crate) fn read(&self, id: &ExecId, stream: Stream, offset: u64, limit: usize) -> io::Result<Vec<u8>> {
        let mut file = match File::open(self.path(id, stream.head_name())) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(limit as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// At most `length` bytes from the end of the kept start.
    pub(crate) fn end_of_head(&self, id: &ExecId, stream: Stream, length: usize) -> io::Result<Vec<u8>> {
        let kept = match fs::metadata(self.path(id, stream.head_name())) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        self.read(id, stream, kept.saturating_sub(length as u64), length)
    }

    /// Everything that was ever started.
    pub(crate) fn list(&self) -> io::Result<Vec<ExecId>> {
        let mut ids = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let name = entry?.file_name();
            // Names are ours alone: no command may write here.
            ids.extend(name.to_str().and_then(|name| ExecId::new(name).ok()));
        }
        ids.sort_unstable();
        Ok(ids)
    }

    /// Stores a whole output at once.
    pub(crate) fn write_head(&self, id: &ExecId, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.create(id, stream.head_name())?;
        file.write_all(bytes)?;
        self.flush(&file)
    }

    pub(crate) fn tail(&self, id: &ExecId, stream: Stream) -> io::Result<Vec<u8>> {
        match fs::read(self.path(id, stream.tail_name())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            other => other,
        }
    }

    pub(crate) fn flush(&self, file: &File) -> io::Result<()> {
        match self.survives {
            Survives::PowerFailure => file.sync_all(),
            Survives::Crash => Ok(()),
        }
    }

    fn create(&self, id: &ExecId, name: &str) -> io::Result<File> {
        let path = self.path(id, name);
        let mode = if self.group.is_some() { 0o640 } else { 0o600 };
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&path)?;
        self.give_to_group(&path)?;
        Ok(file)
    }

    fn give_to_group(&self, path: &Path) -> io::Result<()> {
        match self.group {
            Some(group) => std::os::unix::fs::chown(path, None, Some(group)),
            None => Ok(()),
        }
    }

    pub(crate) fn directory_mode(&self) -> u32 {
        if self.group.is_some() { 0o750 } else { 0o700 }
    }

    fn path(&self, id: &ExecId, name: &str) -> PathBuf {
        self.directory.join(id.as_str()).join(name)
    }
}
