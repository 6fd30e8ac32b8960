//! `settle`: takes what differs from the base commit now for a part of the environment.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::ToolError;
use crate::files::root::Root;
use crate::worktree::tracker::Tracker;

/// After the set-up of the repository and before any work on it. What the set-up wrote is no part of the change until something
/// touches it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settle {}

/// What was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// The number of paths that differ.
    pub paths: usize,
}

pub(crate) fn settle(root: &Root, state: &Path, tracker: &mut Tracker) -> Result<Settled, ToolError> {
    Ok(Settled { paths: tracker.settle(root, state)? })
}
