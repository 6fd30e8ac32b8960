//! What the set-up of the repository has left in the workspace: no part of the change as long as nobody touches it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::record::Record;
use super::scan::scan;
use super::stamp::Stamp;
use super::state_file::{self, NewRecord};
use super::written::Written;
use crate::error::ToolError;
use crate::files::root::Root;

const NAME: &str = "settled";
/// Maximum number of paths; what is beyond counts as part of the change.
const MAX_PATHS: usize = 200_000;
/// Times that the clock of the file system is waited for.
const MAX_ROUNDS: u32 = 200;
/// Less than a tick of that clock.
const PAUSE: Duration = Duration::from_millis(2);

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Settled {
    /// None for a path of the base commit where nothing is any more.
    paths: BTreeMap<String, Option<Stamp>>,
    /// What the set-up left behind, such as dependency folders: it is not named again.
    #[serde(default)]
    leftovers: BTreeSet<String>,
}

impl Settled {
    /// Empty when there was no set-up. One that cannot be read is as good as none: then what it holds counts as part of the change.
    pub(crate) fn load(state: &Path) -> Self {
        state_file::load(state, NAME).unwrap_or_default()
    }

    pub(crate) fn is_untouched(&self, path: &str, now: Option<&Stamp>) -> bool {
        self.paths.get(path).is_some_and(|settled| settled.as_ref() == now)
    }

    pub(crate) fn is_leftover(&self, path: &str) -> bool {
        self.leftovers.contains(path)
    }

    pub(crate) fn len(&self) -> usize {
        self.paths.len()
    }

    /// Records everything that differs from the base commit now. Nothing may run in the workspace meanwhile.
    pub(crate) fn record(root: &Root, state: &Path, record: &Record) -> Result<Self, ToolError> {
        let failed = || ToolError::io("recording what the set-up left in", state.display().to_string());
        let mut rounds = 0;
        loop {
            let new = NewRecord::begin(state, NAME).map_err(failed())?;
            let begun = new.begun().map_err(failed())?;
            let (candidates, left_out) = scan(root, record, &Self::default(), &Written::default(), MAX_PATHS)?;
            // A file that was written in this very tick could be written again and look the same.
            let racy =
                candidates.iter().filter_map(|candidate| candidate.now.stamp()).any(|stamp| stamp.is_racy(begun));
            if racy && rounds < MAX_ROUNDS {
                rounds += 1;
                sleep(PAUSE);
                continue;
            }
            let stamps = candidates.into_iter().map(|candidate| (candidate.path, candidate.now.stamp().copied()));
            let settled = Self {
                paths: stamps.filter(|(_, stamp)| stamp.is_none_or(|stamp| !stamp.is_racy(begun))).collect(),
                leftovers: left_out.leftovers().cloned().collect(),
            };
            new.finish(state, NAME, &settled).map_err(failed())?;
            return Ok(settled);
        }
    }
}
