//! What was found, planned and decided.

use serde::{Deserialize, Serialize};

use crate::{Decision, Plan, PlanId, Survey};

/// The repository was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepositorySurveyed {
    /// What was found.
    pub survey: Survey,
    /// Directories of the base commit that hold instructions for agents; `.` is the whole repository.
    #[serde(default)]
    pub instruction_directories: Vec<String>,
    /// Subjects of the latest commits, newest first.
    #[serde(default)]
    pub commit_subjects: Vec<String>,
}

/// A file of instructions for agents was read from the base commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstructionsRead {
    /// Its path.
    pub path: String,
    /// The directory it speaks for; `.` is the whole repository.
    pub directory: String,
    /// Its text, possibly cut.
    pub text: String,
}

/// The model made a plan, or asked back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanCreated {
    /// Its name.
    pub plan: PlanId,
    /// What it says.
    pub content: Plan,
}

/// A plan was approved, by a person or because none was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanApproved {
    /// Which.
    pub plan: PlanId,
    /// By whom.
    pub by: Approver,
}

/// Who approved a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approver {
    /// A person.
    User,
    /// Nobody: the request asked for no approval.
    Nobody,
}

/// A plan was rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanRejected {
    /// Which.
    pub plan: PlanId,
    /// What should be different; without it the run ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The model took a decision and stated it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DecisionRecorded {
    /// What it stated.
    #[serde(flatten)]
    pub decision: Decision,
}
