//! Sandboxes and what comes into them.

use serde::{Deserialize, Serialize};

use crate::SandboxId;

/// A sandbox was made. It is not in use before it is attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SandboxCreated {
    /// Its id.
    pub sandbox: SandboxId,
    /// Whose it is: `local`, `modal`.
    pub provider: String,
    /// How well it isolates, in a sentence when it is less than whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reduced: Option<String>,
    /// What its network reaches: `none`, `registries`, `open`.
    pub network: String,
    /// Where things are inside.
    pub layout: Layout,
}

/// Where things are inside a sandbox, as absolute paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layout {
    /// The checkout.
    pub workspace: String,
    /// What the toolbox keeps between calls, outside the checkout.
    pub state: String,
    /// Kept outputs of commands, one directory per exec id; read-only.
    pub outputs: String,
    /// The repository to clone from, when it is a directory of ours; read-only.
    pub source: String,
    /// The home directory.
    pub home: String,
}

/// The workspace in a sandbox is ready; the run uses it from here on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SandboxAttached {
    /// Its id.
    pub sandbox: SandboxId,
}

/// A sandbox is gone without our doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SandboxLost {
    /// Its id.
    pub sandbox: SandboxId,
    /// What was seen of it.
    pub reason: String,
}

/// A sandbox is about to be terminated. Nothing uses it from here on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SandboxTerminating {
    pub sandbox: SandboxId,
    pub reason: String,
}

/// A sandbox was terminated, with everything in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SandboxTerminated {
    /// Its id.
    pub sandbox: SandboxId,
    /// Why.
    pub reason: String,
}

/// The clone moves on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloneProgress {
    /// What git says, in a line.
    pub message: String,
}
