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

/// Something in a sandbox asked for a host and was let through. Told once for each host and port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkAllowed {
    pub sandbox: SandboxId,
    pub host: String,
    pub port: u16,
}

/// Something in a sandbox asked for a host and was refused. Told once for each host, port and reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkRefused {
    pub sandbox: SandboxId,
    pub host: String,
    pub port: u16,
    /// In a sentence.
    pub reason: String,
}

/// The set-up of the repository starts: what its tests need is installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetupStarted {
    pub sandbox: SandboxId,
    /// The file that asks for it, or what else the command comes from.
    pub source: String,
    /// What is run, as one line.
    pub command: String,
}

/// The set-up of the repository is over. The session goes on, whatever became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetupFinished {
    pub sandbox: SandboxId,
    pub outcome: SetupOutcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The end of what it printed.
    pub output: String,
    pub duration_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetupOutcome {
    Succeeded,
    Failed,
    TimedOut,
    /// It ended together with what supervised it.
    CutOff,
}
