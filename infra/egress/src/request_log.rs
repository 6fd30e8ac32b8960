use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::{Refusal, Target};

/// Maximum number of entries of a log.
pub const MAX_ENTRIES: usize = 1000;

/// One host that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub target: Target,
    /// None when it was reached, or could have been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refusal>,
}

/// What was asked for, each distinct answer once, in the order of the first time. A file with a line each.
#[derive(Debug)]
pub struct RequestLog {
    written: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    file: File,
    lines: BTreeSet<String>,
}

impl RequestLog {
    /// Opens the log, or makes it. What an earlier process wrote counts.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        let mut lines = BTreeSet::new();
        let mut torn = false;
        for line in BufReader::new(&file).split(b'\n') {
            let line = String::from_utf8(line?).unwrap_or_default();
            torn = serde_json::from_str::<Entry>(&line).is_err();
            if !torn {
                lines.insert(line);
            }
        }
        if torn {
            file.write_all(b"\n")?;
        }
        Ok(Self { written: Mutex::new(Written { file, lines }) })
    }

    /// False when the log is full, or cannot be written.
    pub(crate) fn record(&self, target: &Target, refused: Option<&Refusal>) -> bool {
        let entry = Entry { target: target.clone(), refused: refused.cloned() };
        let Ok(line) = serde_json::to_string(&entry) else { return false };
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.lines.contains(&line) {
            return true;
        }
        if written.lines.len() >= MAX_ENTRIES {
            return false;
        }
        // In one write, so that a reader sees all of it.
        match written.file.write_all(format!("{line}\n").as_bytes()) {
            Ok(()) => written.lines.insert(line),
            Err(error) => {
                tracing::warn!(%error, "the log of the network cannot be written");
                false
            }
        }
    }
}

/// The entries of a log after the first ones. None of a log that does not exist.
///
/// # Errors
///
/// When the file cannot be read.
pub fn entries(path: &Path, skip: usize) -> io::Result<Vec<Entry>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut entries = Vec::new();
    for line in BufReader::new(file).split(b'\n') {
        entries.extend(serde_json::from_slice::<Entry>(&line?));
    }
    Ok(entries.split_off(skip.min(entries.len())))
}
