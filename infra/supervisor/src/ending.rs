//! Why a supervisor has ended by itself, for whoever comes later.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Why a supervisor has ended by itself. A sandbox that has ended so is not opened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Its lifetime was over.
    Lifetime,
    /// It had no client and nothing to do for too long.
    Idle,
}

impl fmt::Display for Ending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Lifetime => "its lifetime was over",
            Self::Idle => "it was idle for too long",
        })
    }
}

/// Why the supervisor of this directory has ended by itself; `None` when it has not.
pub fn ended(directory: &Path) -> Option<Ending> {
    serde_json::from_slice(&fs::read(marker(directory)).ok()?).ok()
}

/// To be called while the directory is still locked, so that nobody opens it in between.
pub(crate) fn record(directory: &Path, ending: Ending) -> io::Result<()> {
    let new = directory.join("ended.new");
    fs::write(&new, serde_json::to_vec(&ending)?)?;
    fs::rename(new, marker(directory))
}

fn marker(directory: &Path) -> PathBuf {
    directory.join("ended")
}
