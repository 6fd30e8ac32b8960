//! The hosts that the package managers of this machine ask for, as they were recorded.

use std::io;
use std::path::Path;

use egress::Target;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

const FILE: &str = "registries.json";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registries {
    pub recorded_at: Timestamp,
    pub tools: Vec<RecordedTool>,
}

/// A package manager that was run once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedTool {
    pub name: String,
    pub version: String,
    /// What it asked for.
    pub hosts: Vec<Target>,
    /// The user's own settings of it, as the variables that its commands in a sandbox get.
    pub settings: Vec<(String, String)>,
    /// What went wrong, in a sentence.
    pub problem: Option<String>,
}

impl Registries {
    /// None when nothing was recorded, or by a version that wrote something else.
    pub(super) fn read(home: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(home.join(FILE)).ok()?).ok()
    }

    pub(super) fn write(&self, home: &Path) -> io::Result<()> {
        let new = home.join(format!("{FILE}.new"));
        std::fs::write(&new, serde_json::to_vec_pretty(self)?)?;
        std::fs::rename(new, home.join(FILE))
    }

    pub fn hosts(&self) -> impl Iterator<Item = Target> {
        self.tools.iter().flat_map(|tool| tool.hosts.iter().cloned())
    }

    pub(super) fn settings(&self) -> Vec<(String, String)> {
        self.tools.iter().flat_map(|tool| tool.settings.iter().cloned()).collect()
    }
}
