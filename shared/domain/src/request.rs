//! The request for a session: unchecked as it arrives, checked once, and valid from then on.

use serde::{Deserialize, Serialize};

use crate::text::shorten;
use crate::{MicroDollars, Network, name_invisible};

/// Maximum length of a prompt or a message, in bytes.
pub const MAX_PROMPT_BYTES: usize = 256 * 1024;

/// Maximum length of a repository's address, in bytes.
const MAX_REPOSITORY_BYTES: usize = 2048;

/// A checked request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// An `http(s)` address without credentials; on one machine also a path.
    pub repo_url: String,
    /// What is to be done. Its secrets are redacted when the session is created.
    pub prompt: String,
    /// The branch to start from; none for the repository's default branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_branch: Option<String>,
    pub model: String,
    /// The limits of each run, follow-ups included.
    pub limits: Limits,
    pub plan_approval: PlanApproval,
    pub delivery: Delivery,
    /// What commands in the sandbox reach. Absent in sessions of earlier versions, which had no network.
    #[serde(default)]
    pub network: Network,
}

/// Whether the run waits for a person to approve the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanApproval {
    Required,
    NotRequired,
}

/// How the change is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// A pull request, which is a draft when the project's checks did not pass.
    PullRequest,
    /// A pull request that is always a draft.
    DraftPullRequest,
    /// A branch without a pull request.
    Branch,
}

/// The limits of a run's budget. By default 100 turns, 5 dollars, 60 active minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Replies of the model in the main conversation.
    pub max_turns: u32,
    pub max_cost: MicroDollars,
    /// Active minutes: time in which a step ran. Waiting for a person does not count.
    pub max_minutes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_turns: 100, max_cost: MicroDollars(5_000_000), max_minutes: 60 }
    }
}

/// A request as it arrives.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UncheckedRequest {
    /// See [`Request::repo_url`].
    pub repo_url: String,
    /// See [`Request::prompt`].
    pub prompt: String,
    /// See [`Request::base_branch`].
    #[serde(default)]
    pub base_branch: Option<String>,
    /// See [`Request::model`].
    #[serde(default)]
    pub model: Option<String>,
    /// See [`Request::limits`].
    #[serde(default)]
    pub limits: Option<UncheckedLimits>,
    /// See [`Request::plan_approval`].
    #[serde(default)]
    pub require_plan_approval: bool,
    /// False for [`Delivery::Branch`]; true when left out.
    #[serde(default)]
    pub auto_create_pr: Option<bool>,
    /// True for [`Delivery::DraftPullRequest`].
    #[serde(default)]
    pub draft: bool,
    /// See [`Request::network`].
    #[serde(default)]
    pub network: Option<Network>,
}

/// Limits as they arrive; a field that is left out has its default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UncheckedLimits {
    /// 1 to 1,000 turns.
    #[serde(default)]
    pub max_turns: Option<u32>,
    /// More than 0 and up to 1,000 dollars.
    #[serde(default)]
    pub max_cost_usd: Option<f64>,
    /// 1 to 1,440 minutes.
    #[serde(default)]
    pub max_minutes: Option<u32>,
}

/// The rule that a request breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    #[error("repoUrl is empty; name the repository")]
    EmptyRepository,
    #[error("repoUrl is longer than {MAX_REPOSITORY_BYTES} bytes or contains control characters")]
    Repository,
    /// Git would read it as an option.
    #[error("repoUrl begins with '-'")]
    RepositoryOption,
    /// The address is stored in the log, where no secret may be.
    #[error("repoUrl contains a user name or password; leave them out and configure the token instead")]
    Credentials,
    #[error("prompt is empty; say what is to be done")]
    EmptyPrompt,
    #[error("prompt has {bytes} bytes; the maximum is {MAX_PROMPT_BYTES}")]
    PromptTooLong { bytes: usize },
    #[error("prompt contains a NUL character")]
    PromptNul,
    #[error("baseBranch {0:?} is not a valid git branch name")]
    BaseBranch(String),
    #[error("model {0:?} is not a valid model name")]
    Model(String),
    #[error("limits.maxTurns has to be 1 to 1,000")]
    MaxTurns,
    #[error("limits.maxMinutes has to be 1 to 1,440")]
    MaxMinutes,
    #[error("limits.maxCostUsd has to be more than 0 and at most 1,000")]
    MaxCost,
}

impl UncheckedRequest {
    /// Checks the request and fills in the defaults; model and network are those of a request that names none.
    ///
    /// # Errors
    /// The first rule that the request breaks.
    pub fn check(self, default_model: &str, default_network: Network) -> Result<Request, InvalidRequest> {
        check_repository(&self.repo_url)?;
        check_prompt(&self.prompt)?;
        if let Some(branch) = self.base_branch.as_ref().filter(|branch| !is_branch_name(branch)) {
            return Err(InvalidRequest::BaseBranch(shorten(branch, 200).into_owned()));
        }
        let model = self.model.unwrap_or_else(|| default_model.to_owned());
        let in_names = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b);
        if !(1..=128).contains(&model.len()) || !model.bytes().all(in_names) {
            return Err(InvalidRequest::Model(shorten(&model, 200).into_owned()));
        }
        Ok(Request {
            repo_url: self.repo_url,
            prompt: name_invisible(&self.prompt).into_owned(),
            base_branch: self.base_branch,
            model,
            limits: self.limits.unwrap_or_default().check()?,
            plan_approval: if self.require_plan_approval { PlanApproval::Required } else { PlanApproval::NotRequired },
            delivery: match (self.auto_create_pr.unwrap_or(true), self.draft) {
                (false, _) => Delivery::Branch,
                (true, true) => Delivery::DraftPullRequest,
                (true, false) => Delivery::PullRequest,
            },
            network: self.network.unwrap_or(default_network),
        })
    }
}

impl UncheckedLimits {
    /// Checks the limits and fills in the defaults.
    ///
    /// # Errors
    /// The first limit that is out of range.
    pub fn check(self) -> Result<Limits, InvalidRequest> {
        let defaults = Limits::default();
        let max_turns = self.max_turns.unwrap_or(defaults.max_turns);
        if !(1..=1000).contains(&max_turns) {
            return Err(InvalidRequest::MaxTurns);
        }
        let max_minutes = self.max_minutes.unwrap_or(defaults.max_minutes);
        if !(1..=1440).contains(&max_minutes) {
            return Err(InvalidRequest::MaxMinutes);
        }
        let max_cost = match self.max_cost_usd.map(MicroDollars::from_dollars) {
            None => defaults.max_cost,
            Some(Ok(amount)) if (1..=1_000_000_000).contains(&amount.0) => amount,
            Some(_) => return Err(InvalidRequest::MaxCost),
        };
        Ok(Limits { max_turns, max_cost, max_minutes })
    }
}

fn check_repository(repo_url: &str) -> Result<(), InvalidRequest> {
    if repo_url.trim().is_empty() {
        return Err(InvalidRequest::EmptyRepository);
    }
    if repo_url.len() > MAX_REPOSITORY_BYTES || repo_url.chars().any(char::is_control) {
        return Err(InvalidRequest::Repository);
    }
    if repo_url.starts_with('-') {
        return Err(InvalidRequest::RepositoryOption);
    }
    if has_credentials(repo_url) { Err(InvalidRequest::Credentials) } else { Ok(()) }
}

fn check_prompt(prompt: &str) -> Result<(), InvalidRequest> {
    if prompt.trim().is_empty() {
        return Err(InvalidRequest::EmptyPrompt);
    }
    if prompt.len() > MAX_PROMPT_BYTES {
        return Err(InvalidRequest::PromptTooLong { bytes: prompt.len() });
    }
    if prompt.contains('\0') { Err(InvalidRequest::PromptNul) } else { Ok(()) }
}

/// Whether git accepts `name` as a branch (`git check-ref-format --branch`) and does not read it as an option.
pub fn is_branch_name(name: &str) -> bool {
    let forbidden = |c: char| c.is_control() || c == '\u{7f}' || " ~^:?*[\\".contains(c);
    !name.is_empty()
        && name.len() <= 200
        && !name.starts_with(['-', '/', '.'])
        && !name.ends_with(['/', '.'])
        && name != "@"
        && !name.chars().any(forbidden)
        && !["..", "//", "@{", "/."].iter().any(|bad| name.contains(bad))
        && !name.split('/').any(|part| part.ends_with(".lock"))
}

fn has_credentials(url: &str) -> bool {
    url.split_once("://").is_some_and(|(scheme, rest)| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        // An ssh address needs a user name, which is not a secret.
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        user.is_some_and(|user| scheme != "ssh" || user.contains(':'))
    })
}
