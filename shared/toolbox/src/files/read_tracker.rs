//! Records which lines of which file the model has been shown, so that it cannot overwrite what it has not read.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::path::RelativePath;
use crate::change::sha256_hex;
use crate::error::ToolError;

/// The lines of one file that the model has been shown, for one version of its content.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct ReadRanges {
    /// Of the content that the ranges belong to.
    sha256: String,
    /// First and last line, both inclusive and counted from 1; sorted and disjoint.
    shown: Vec<(usize, usize)>,
    /// Lines of the file. 0 marks a file that the model wrote and therefore knows.
    lines: usize,
}

impl ReadRanges {
    fn is_complete(&self) -> bool {
        self.lines == 0 || self.shown.first() == Some(&(1, self.lines))
    }

    fn add(&mut self, first: usize, last: usize) {
        self.shown.push((first, last));
        self.shown.sort_unstable();
        let mut merged: Vec<(usize, usize)> = Vec::new();
        for &(first, last) in &self.shown {
            match merged.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                Some(_) | None => merged.push((first, last)),
            }
        }
        self.shown = merged;
    }
}

/// Whether the model was shown this content in full, or wrote it.
pub(crate) fn is_read(state: &Path, path: &RelativePath, content: &[u8]) -> bool {
    load(state).get(path.as_str()).is_some_and(|ranges| ranges.sha256 == sha256_hex(content) && ranges.is_complete())
}

/// Records that lines `first` to `last` of `lines` were shown. Views of the same content add up.
pub(crate) fn record_view(
    state: &Path,
    path: &RelativePath,
    content: &[u8],
    (first, last): (usize, usize),
    lines: usize,
) -> Result<(), ToolError> {
    let sha256 = sha256_hex(content);
    update(state, |record| {
        let ranges = record.entry(path.as_str().to_owned()).or_default();
        if ranges.sha256 != sha256 {
            *ranges = ReadRanges { sha256, shown: Vec::new(), lines };
        }
        if first <= last {
            ranges.add(first, last);
        }
    })
}

/// Records that the model wrote this content. An edit counts too: it quotes the text that it replaces.
pub(crate) fn record_write(state: &Path, path: &RelativePath, content: &[u8]) -> Result<(), ToolError> {
    let ranges = ReadRanges { sha256: sha256_hex(content), shown: Vec::new(), lines: 0 };
    update(state, |record| {
        record.insert(path.as_str().to_owned(), ranges);
    })
}

/// A missing or damaged record counts as empty: at worst the model has to view a file again.
fn load(state: &Path) -> BTreeMap<String, ReadRanges> {
    let bytes = fs::read(state.join("seen.json")).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

fn update(state: &Path, change: impl FnOnce(&mut BTreeMap<String, ReadRanges>)) -> Result<(), ToolError> {
    let apply = || -> io::Result<()> {
        fs::create_dir_all(state)?;
        // The reads of one turn run in parallel. Without the lock, one could overwrite the other's entry.
        let lock = File::create(state.join("seen.lock"))?;
        lock.lock()?;
        let mut record = load(state);
        change(&mut record);
        let partial = state.join("seen.json.partial");
        fs::write(&partial, serde_json::to_vec(&record)?)?;
        fs::rename(&partial, state.join("seen.json"))
    };
    apply().map_err(ToolError::io("updating the record of read files in", state.display().to_string()))
}
