//! The checks of the project that we run on a change before it is published.

use serde::{Deserialize, Serialize};

use crate::{CheckResult, CheckSubject, SandboxId, Verification};

/// A check is about to be run: the intent. One that has started in a sandbox since lost is not run again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckStarted {
    /// Counted from 1 in each run.
    pub round: u32,
    /// Its place among the checks of the round, from 0.
    pub check: u32,
    pub subject: CheckSubject,
    /// The command.
    pub command: String,
    pub sandbox: SandboxId,
}

/// A check has ended, or it is certain that it will not be run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckFinished {
    pub round: u32,
    pub check: u32,
    pub subject: CheckSubject,
    #[serde(flatten)]
    pub result: CheckResult,
    /// The end of what it printed.
    pub output: String,
}

/// All checks of a round have ended: what the pull request says of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerificationRecorded {
    #[serde(flatten)]
    pub verification: Verification,
}
