//! The life of a session's sandboxes.

use serde::{Deserialize, Serialize};

use crate::SandboxId;
use crate::ports::SealedHandle;

/// A sandbox was created. Its workspace is prepared next; no other step uses it before `sandbox.attached`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SandboxCreated {
    pub sandbox: SandboxId,
    /// `local` or `modal`.
    pub provider: String,
    /// What its isolation lacks, in a sentence; none when it is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reduced: Option<String>,
    /// `none`, `registries` or `open`.
    pub network: String,
    /// What the provider needs to connect to it.
    #[serde(default, skip_serializing_if = "SealedHandle::is_empty")]
    pub handle: SealedHandle,
}

/// The workspace in the sandbox is ready; steps use it from here on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SandboxAttached {
    pub sandbox: SandboxId,
}

/// A sandbox is gone though nobody terminated it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SandboxLost {
    pub sandbox: SandboxId,
    pub reason: String,
}

/// A sandbox is about to be terminated. No step uses it from here on, even if the process dies before it is.
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
    pub sandbox: SandboxId,
    pub reason: String,
}

/// Progress of the clone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloneProgress {
    /// One line of git's progress output.
    pub message: String,
}
