//! The paths that differ from the base commit but cannot be part of a changeset.

use std::collections::BTreeMap;

use super::written::Written;
use crate::change::Skipped;

/// Maximum paths that are named in one answer; the others are counted.
const MAX_NAMED: usize = 1_000;

/// Left-out paths with the reasons. A command may have made a million of them, so only the first are kept, and those that tools wrote.
#[derive(Debug, Default)]
pub(crate) struct LeftOut {
    named: BTreeMap<String, String>,
    more: usize,
    leftovers: BTreeMap<String, String>,
    more_leftovers: usize,
    written: Written,
}

impl LeftOut {
    /// Nothing yet. Paths that concern `written` are named in any case.
    pub(crate) fn new(written: &Written) -> Self {
        Self { written: written.clone(), ..Self::default() }
    }

    pub(crate) fn add(&mut self, path: &[u8], reason: impl Into<String>) {
        self.add_name(String::from_utf8_lossy(path).into_owned(), reason);
    }

    pub(crate) fn add_name(&mut self, path: String, reason: impl Into<String>) {
        if self.named.len() < MAX_NAMED || self.named.contains_key(&path) || self.written.concerns(&path) {
            self.named.entry(path).or_insert_with(|| reason.into());
        } else {
            self.more += 1;
        }
    }

    pub(crate) fn add_unnamed(&mut self, count: usize) {
        self.more += count;
    }

    /// Something that a command left behind.
    pub(crate) fn add_leftover(&mut self, path: String, what: impl Into<String>) {
        if self.leftovers.len() < MAX_NAMED {
            self.leftovers.insert(path, what.into());
        } else {
            self.more_leftovers += 1;
        }
    }

    /// Whether a path is named, or a directory above it.
    pub(crate) fn names(&self, path: &str) -> bool {
        let mut above = path.match_indices('/').map(|(slash, _)| &path[..slash]);
        self.named.contains_key(path) || above.any(|directory| self.named.contains_key(directory))
    }

    /// Forgets that a path was left out.
    pub(crate) fn take_back(&mut self, path: &str) {
        self.named.remove(path);
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for (path, reason) in other.named {
            self.add_name(path, reason);
        }
        for (path, what) in other.leftovers {
            self.add_leftover(path, what);
        }
        self.more += other.more;
        self.more_leftovers += other.more_leftovers;
    }

    pub(crate) fn leftovers(&self) -> impl Iterator<Item = &String> {
        self.leftovers.keys()
    }

    /// The named paths, sorted, and the number of the others.
    pub(crate) fn into_parts(self) -> Parts {
        let listed = |paths: BTreeMap<String, String>| {
            paths.into_iter().map(|(path, reason)| Skipped { path, reason }).collect()
        };
        Parts {
            skipped: listed(self.named),
            skipped_more: self.more,
            leftovers: listed(self.leftovers),
            leftovers_more: self.more_leftovers,
        }
    }
}

/// What was left out, as an answer lists it.
pub(crate) struct Parts {
    pub(crate) skipped: Vec<Skipped>,
    pub(crate) skipped_more: usize,
    pub(crate) leftovers: Vec<Skipped>,
    pub(crate) leftovers_more: usize,
}
