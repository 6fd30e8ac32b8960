//! The checks of a project, which we run on what is to be published.
//!
//! What the model runs itself is its own evidence: it never counts here.

use serde::{Deserialize, Serialize};

use crate::{CommitId, Digest256};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    Passed,
    /// It fails with the change. Without the change it passes, or it is not known how it ends.
    Failed,
    /// It fails with the change and without it.
    FailedBefore,
    /// It has neither passed nor failed: its program is missing, it took too long, or its sandbox was lost.
    NotRun,
}

impl CheckOutcome {
    /// As a sentence goes on after the check's name.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::FailedBefore => "failed before as well",
            Self::NotRun => "was not run",
        }
    }
}

/// What a check was run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckSubject {
    /// The workspace with the change.
    Change,
    /// The same workspace with the change taken away.
    Base,
}

/// A check and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckResult {
    pub command: String,
    pub outcome: CheckOutcome,
    /// Why it was not run, or why it is not known how it ends without the change. A clause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    pub duration_ms: u64,
}

/// The checks of one round. They hold for one change and no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// Counted from 1 in each run.
    pub round: u32,
    /// The commit that the change is a difference to; none in an empty repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<CommitId>,
    /// The toolbox's digest of the change.
    pub digest: Digest256,
    /// In the order in which they were run.
    pub checks: Vec<CheckResult>,
}

impl Verification {
    /// The checks that the change has broken, as far as is known.
    pub fn newly_failed(&self) -> impl Iterator<Item = &CheckResult> {
        self.with(CheckOutcome::Failed)
    }

    /// Whether it is about this change.
    pub fn is_of(&self, base: Option<&CommitId>, digest: &Digest256) -> bool {
        self.base.as_ref() == base && self.digest == *digest
    }

    /// Why the change does not count as verified, if it does not. A clause.
    pub fn objection(&self) -> Option<String> {
        let first = |outcome| self.with(outcome).next();
        if let Some(failed) = first(CheckOutcome::Failed) {
            return Some(format!("a check fails: {}", failed.command));
        }
        if let Some(not_run) = first(CheckOutcome::NotRun) {
            let reason = not_run.reason.as_deref().unwrap_or("it is not known why");
            return Some(format!("a check was not run, because {reason}: {}", not_run.command));
        }
        if let Some(before) = first(CheckOutcome::FailedBefore).filter(|_| first(CheckOutcome::Passed).is_none()) {
            return Some(format!("no check passes, with or without the change: {}", before.command));
        }
        self.checks.is_empty().then(|| "no check of the project was run".to_owned())
    }

    /// All checks in a sentence without a full stop.
    pub fn summary(&self) -> String {
        if self.checks.is_empty() {
            return "no check of the project was run".to_owned();
        }
        let one = |check: &CheckResult| format!("{} {}", check.command, check.outcome.in_words());
        self.checks.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    fn with(&self, outcome: CheckOutcome) -> impl Iterator<Item = &CheckResult> {
        self.checks.iter().filter(move |check| check.outcome == outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(outcomes: &[CheckOutcome]) -> Option<String> {
        let checks = outcomes.iter().zip(1..).map(|(outcome, number)| CheckResult {
            command: format!("check {number}"),
            outcome: *outcome,
            reason: (*outcome == CheckOutcome::NotRun).then(|| "it took too long".to_owned()),
            exit_code: None,
            duration_ms: 0,
        });
        Verification { round: 1, base: None, digest: Digest256::of(b""), checks: checks.collect() }.objection()
    }

    #[test]
    fn a_change_is_verified_when_a_check_passes_and_none_is_broken() {
        use CheckOutcome::{Failed, FailedBefore, NotRun, Passed};
        assert_eq!(of(&[Passed]), None);
        assert_eq!(of(&[FailedBefore, Passed]), None);
        assert_eq!(of(&[Passed, NotRun, Failed]).unwrap(), "a check fails: check 3");
        assert_eq!(of(&[Passed, NotRun]).unwrap(), "a check was not run, because it took too long: check 2");
        assert_eq!(of(&[FailedBefore]).unwrap(), "no check passes, with or without the change: check 1");
        assert_eq!(of(&[]).unwrap(), "no check of the project was run");
    }
}
