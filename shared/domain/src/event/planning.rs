//! Survey, plan and decisions.

use serde::{Deserialize, Serialize};

use crate::{Decision, Plan, PlanId, Survey};

/// The repository was surveyed at the base commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepositorySurveyed {
    pub survey: Survey,
    /// Directories of the base commit that contain instructions for agents; `.` is the whole repository.
    #[serde(default)]
    pub instruction_directories: Vec<String>,
    /// Subjects of the latest commits, newest first.
    #[serde(default)]
    pub commit_subjects: Vec<String>,
    /// Programs that the repository's commands need and the sandbox lacks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_programs: Vec<String>,
    /// The checks that somebody has fixed, so that no plan changes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_checks: Option<FixedChecks>,
    /// Why the repository's own settings are not used. A clause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unusable_settings: Option<String>,
}

/// Checks that a person has chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FixedChecks {
    /// Shell commands.
    pub commands: Vec<String>,
    /// Where they stand, such as the name of a file.
    pub source: String,
}

/// A file of instructions for agents was read from the base commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstructionsRead {
    pub path: String,
    /// The directory that the instructions apply to; `.` is the whole repository.
    pub directory: String,
    /// Cut when it is too long for the conversation.
    pub text: String,
}

/// The model made a plan, or asked a question that it needs answered before it can plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanCreated {
    pub plan: PlanId,
    pub content: Plan,
}

/// A plan was approved, by a person or because the request asked for no approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanApproved {
    pub plan: PlanId,
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
    pub plan: PlanId,
    /// What should be different: the model plans again with it. Without a message the run ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The model recorded a decision with its alternatives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DecisionRecorded {
    #[serde(flatten)]
    pub decision: Decision,
}
