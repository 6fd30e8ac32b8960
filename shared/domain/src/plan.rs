//! The survey of a repository and the plan for it.

use serde::{Deserialize, Serialize};

/// What kind of project a repository holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProjectType {
    /// A server with an HTTP face, possibly with pages.
    Web,
    /// Notebooks, data frames, models.
    DataScience,
    /// Pages that run in a browser.
    Frontend,
    /// Infrastructure, deployment, pipelines.
    Devops,
    /// Anything else.
    General,
}

impl ProjectType {
    /// The name.
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

/// What was found in a repository before anything was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Survey {
    /// The kind of project.
    pub project_type: ProjectType,
    /// Languages, by the bytes written in them, most first.
    pub languages: Vec<String>,
    /// Frameworks and notable libraries.
    pub frameworks: Vec<String>,
    /// How it is installed, as far as its files say.
    pub install_commands: Vec<String>,
    /// How it is built.
    pub build_commands: Vec<String>,
    /// How it is tested.
    pub test_commands: Vec<String>,
    /// How it is checked (linters, type checkers, formatters).
    pub lint_commands: Vec<String>,
    /// Conventions found: configuration files, templates, contribution rules.
    pub conventions: Vec<String>,
    /// Number of files.
    pub files: u64,
    /// Whether there is nothing yet.
    pub empty: bool,
}

/// A plan by the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// What the change is, in a few words; becomes the pull request's title.
    pub title: String,
    /// Why and how, in some sentences.
    pub summary: String,
    /// What will be done, in order.
    pub steps: Vec<String>,
    /// Files likely to change.
    pub files: Vec<String>,
    /// What may go wrong.
    #[serde(default)]
    pub risks: Vec<String>,
    /// The kind of project, as the model sees it.
    pub project_type: ProjectType,
    /// How sure the model says it is. Self-reported and not calibrated.
    pub confidence: Confidence,
    /// Decisions the model took where it saw alternatives.
    #[serde(default)]
    pub decisions: Vec<Decision>,
    /// What the model has to know before it can plan; then there is no plan yet.
    #[serde(default)]
    pub question: Option<String>,
}

/// How sure the model says it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Confidence {
    /// From 0 to 1.
    pub value: f64,
    /// Why.
    pub reason: String,
}

impl Confidence {
    /// The figure as it may be shown: never without where it comes from.
    pub fn in_words(&self) -> String {
        format!("{:.0} % (self-reported, not calibrated)", self.value.clamp(0.0, 1.0) * 100.0)
    }
}

/// A decision with what else was considered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// What was decided.
    pub decision: String,
    /// Why.
    pub reason: String,
    /// What else was considered.
    #[serde(default)]
    pub alternatives: Vec<String>,
}

/// One entry of the model's to-do list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Todo {
    /// What is to be done.
    pub content: String,
    /// How far it is.
    pub status: TodoStatus,
}

/// How far an entry of the to-do list is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TodoStatus {
    /// Not begun.
    Pending,
    /// At work.
    InProgress,
    /// Done.
    Completed,
}
