//! The record of what this session has seen, so that nothing is overwritten unseen.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::path::RelativePath;
use crate::change::sha256_hex;
use crate::error::ToolError;

/// Of one file: which content, and which of its lines were shown, as disjoint sorted ranges, first and last inclusive.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct ReadRanges {
    sha256: String,
    shown: Vec<(usize, usize)>,
    lines: usize,
}

impl ReadRanges {
    fn is_whole(&self) -> bool {
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

/// Whether the content was shown to the model, or written by it, in full.
pub(crate) fn is_seen(state: &Path, path: &RelativePath, content: &[u8]) -> bool {
    load(state).get(path.as_str()).is_some_and(|ranges| ranges.sha256 == sha256_hex(content) && ranges.is_whole())
}

/// Lines `first` to `last` of `lines` were shown. Earlier views of the same content add up.
pub(crate) fn shown(
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

/// The model wrote this content, or part of it by an edit that named its surroundings.
pub(crate) fn written(state: &Path, path: &RelativePath, content: &[u8]) -> Result<(), ToolError> {
    let ranges = ReadRanges { sha256: sha256_hex(content), shown: Vec::new(), lines: 0 };
    update(state, |record| {
        record.insert(path.as_str().to_owned(), ranges);
    })
}

/// A record that cannot be read counts as empty: the worst that follows is one more view.
fn load(state: &Path) -> BTreeMap<String, ReadRanges> {
    let bytes = fs::read(state.join("seen.json")).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

fn update(state: &Path, change: impl FnOnce(&mut BTreeMap<String, ReadRanges>)) -> Result<(), ToolError> {
    let apply = || -> io::Result<()> {
        fs::create_dir_all(state)?;
        // Reads of one turn run side by side; without the lock one would undo the other's entry.
        let lock = File::create(state.join("seen.lock"))?;
        lock.lock()?;
        let mut record = load(state);
        change(&mut record);
        let partial = state.join("seen.json.partial");
        fs::write(&partial, serde_json::to_vec(&record)?)?;
        fs::rename(&partial, state.join("seen.json"))
    };
    apply().map_err(ToolError::io("recording in", state.display().to_string()))
}
