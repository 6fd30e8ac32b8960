//! The survey of a repository and the plan for it.

use serde::{Deserialize, Serialize};

/// The kind of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProjectType {
    /// An HTTP server, possibly with pages.
    Web,
    /// Notebooks, data frames, models.
    DataScience,
    /// Code that runs in a browser.
    Frontend,
    /// Infrastructure, deployment, pipelines.
    Devops,
    /// None of the others, or several.
    General,
}

impl ProjectType {
    pub fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::DataScience => "data-science",
            Self::Frontend => "frontend",
            Self::Devops => "devops",
            Self::General => "general",
        }
    }
}

/// What the repository contains at the base commit, as far as its files say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Survey {
    pub project_type: ProjectType,
    /// By size in bytes, largest first.
    pub languages: Vec<String>,
    /// Frameworks and notable libraries.
    pub frameworks: Vec<String>,
    pub install_commands: Vec<String>,
    pub build_commands: Vec<String>,
    pub test_commands: Vec<String>,
    /// Linters, type checkers, formatters.
    pub lint_commands: Vec<String>,
    /// Configuration files, templates, contribution rules.
    pub conventions: Vec<String>,
    /// Number of files.
    pub files: u64,
    /// Whether the repository has no files yet.
    pub empty: bool,
}

impl Survey {
    /// The commands that show whether a change is sound: tests, linters, type checkers.
    pub fn checks(&self) -> impl Iterator<Item = &String> {
        self.test_commands.iter().chain(&self.lint_commands)
    }
}

/// A plan by the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The change in a few words; becomes the pull request's title.
    pub title: String,
    /// Why and how, in a few sentences.
    pub summary: String,
    /// What will be done, in order.
    pub steps: Vec<String>,
    /// Files that are likely to change.
    pub files: Vec<String>,
    #[serde(default)]
    pub risks: Vec<String>,
    /// Shell commands that we run on the change before it is published. None when the plan does not say: then those of the
    /// survey.
    #[serde(default)]
    pub checks: Option<Vec<String>>,
    /// In the model's opinion; the survey has its own.
    pub project_type: ProjectType,
    pub confidence: Confidence,
    /// Decisions that the model took where it saw alternatives.
    #[serde(default)]
    pub decisions: Vec<Decision>,
    /// What the model has to know before it can plan. With a question, the rest is not a plan yet.
    #[serde(default)]
    pub question: Option<String>,
}

/// How sure the model says it is: self-reported and not calibrated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Confidence {
    /// From 0 to 1.
    pub value: f64,
    pub reason: String,
}

impl Confidence {
    /// The value as it may be shown: always with the remark that it is the model's own.
    pub fn in_words(&self) -> String {
        format!("{:.0} % (self-reported, not calibrated)", self.value.clamp(0.0, 1.0) * 100.0)
    }
}

/// A decision with its alternatives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    pub decision: String,
    pub reason: String,
    #[serde(default)]
    pub alternatives: Vec<String>,
}

/// One entry of the model's to-do list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Todo {
    pub content: String,
    pub status: TodoStatus,
}

/// Status of an entry of the to-do list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TodoStatus {
    Pending,
    InProgress,
    Completed,
}
