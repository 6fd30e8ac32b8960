//! The paths that differ from the base commit but cannot be part of a changeset.

use std::collections::BTreeMap;

use crate::change::Skipped;

/// Maximum paths that are named in one answer; the others are counted.
const MAX_NAMED: usize = 1_000;

/// Left-out paths with the reasons. A command may have made a million of them, so only the first are kept.
#[derive(Debug, Default)]
pub(crate) struct LeftOut {
    named: BTreeMap<String, String>,
    more: usize,
}

impl LeftOut {
    pub(crate) fn add(&mut self, path: &[u8], reason: impl Into<String>) {
        self.add_name(String::from_utf8_lossy(path).into_owned(), reason);
    }

    pub(crate) fn add_name(&mut self, path: String, reason: impl Into<String>) {
        if self.named.len() < MAX_NAMED || self.named.contains_key(&path) {
            self.named.entry(path).or_insert_with(|| reason.into());
        } else {
            self.more += 1;
        }
    }

    pub(crate) fn add_unnamed(&mut self, count: usize) {
        self.more += count;
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for (path, reason) in other.named {
            self.add_name(path, reason);
        }
        self.more += other.more;
    }

    /// The named paths, sorted, and the number of the others.
    pub(crate) fn into_parts(self) -> (Vec<Skipped>, usize) {
        let named = self.named.into_iter().map(|(path, reason)| Skipped { path, reason });
        (named.collect(), self.more)
    }
}
