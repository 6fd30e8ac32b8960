//! What earlier comparisons have read, so that a file which still looks the same is not read again.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::attributes::Fingerprint;
use super::stamp::{Stamp, Time};
use super::state_file::{self, NewRecord};
use crate::change::Mode;

/// The name of the file in the state directory.
const NAME: &str = "observations";

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Observations {
    written: Time,
    pub(crate) paths: BTreeMap<String, Observation>,
}

/// A path that does not look as it did in the fresh checkout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Observation {
    /// None when nothing exists at the path.
    stamp: Option<Stamp>,
    /// The attributes by which the file was read.
    rules: Fingerprint,
    pub(crate) outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// As in the base commit.
    Same,
    Written {
        mode: Mode,
        sha256: [u8; 32],
        bytes: u64,
    },
    Deleted,
}

impl Observation {
    pub(crate) fn new(stamp: Option<Stamp>, rules: Fingerprint, outcome: Outcome) -> Self {
        Self { stamp, rules, outcome }
    }
}

impl Observations {
    /// The observations of earlier comparisons; none when there are none, or they are damaged.
    pub(crate) fn load(state: &Path) -> Self {
        state_file::load(state, NAME).unwrap_or_default()
    }

    /// Replaces the record in the state directory, which was begun before the comparison.
    pub(crate) fn save(&self, state: &Path, new: NewRecord) -> std::io::Result<()> {
        new.finish(state, NAME, self)
    }

    pub(crate) fn begin(state: &Path) -> std::io::Result<(NewRecord, Self)> {
        let new = NewRecord::begin(state, NAME)?;
        let written = new.begun()?;
        Ok((new, Self { written, paths: BTreeMap::new() }))
    }

    /// The observation of a path, if the path still looks the same and is read by the same rules.
    pub(crate) fn of(&self, path: &str, stamp: Option<&Stamp>, rules: &Fingerprint) -> Option<&Observation> {
        let is_racy = stamp.is_some_and(|stamp| stamp.is_racy(self.written));
        self.paths
            .get(path)
            .filter(|known| !is_racy && known.stamp.as_ref() == stamp && (stamp.is_none() || known.rules == *rules))
    }
}
