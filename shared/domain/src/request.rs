//! What a user asks for, checked once at the door.

use serde::{Deserialize, Serialize};

use crate::text::shorten;
use crate::{MicroDollars, name_invisible};

/// The longest prompt, in bytes.
pub const MAX_PROMPT_BYTES: usize = 256 * 1024;

/// The longest address of a repository, in bytes.
const MAX_REPOSITORY_BYTES: usize = 2048;

/// A request that has been checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// The repository: an `http(s)` address, or on one machine also a path.
    pub repo_url: String,
    /// What is to be done, with secrets masked.
    pub prompt: String,
    /// The branch to start from; none for the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_branch: Option<String>,
    /// The model.
    pub model: String,
    /// What a run may use.
    pub limits: Limits,
    /// Whether a person has to approve the plan.
    pub plan_approval: PlanApproval,
    /// What becomes of the change.
    pub delivery: Delivery,
}

/// Whether the work waits for a person to approve the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanApproval {
    /// It does.
    Required,
    /// It goes on by itself.
    NotRequired,
}

/// What becomes of the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// A pull request; a draft when its checks did not pass.
    PullRequest,
    /// Always a draft.
    DraftPullRequest,
    /// A branch only.
    Branch,
}

/// What a run may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Replies of the model.
    pub max_turns: u32,
    /// Money.
    pub max_cost: MicroDollars,
    /// Minutes in which a step was at work.
    pub max_minutes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_turns: 100, max_cost: MicroDollars(5_000_000), max_minutes: 60 }
    }
}

/// A request as it comes in.
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
    /// Whether to open a pull request; false leaves it at the branch.
    #[serde(default)]
    pub auto_create_pr: Option<bool>,
    /// Whether the pull request is always a draft.
    #[serde(default)]
    pub draft: bool,
}

/// Limits as they come in; what is left out has its default.
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

/// Which field of a request breaks its rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// `repoUrl` names nothing.
    #[error("repoUrl is empty; name the repository")]
    EmptyRepository,
    /// `repoUrl` is too long or holds control characters.
    #[error("repoUrl is longer than {MAX_REPOSITORY_BYTES} bytes or holds control characters")]
    Repository,
    /// `repoUrl` could be read as an option of git.
    #[error("repoUrl begins with '-'")]
    RepositoryOption,
    /// `repoUrl` would put a secret into the log.
    #[error("repoUrl holds a user name or password; leave them out (tokens are configured, for git or here)")]
    Credentials,
    /// `prompt` asks for nothing.
    #[error("prompt is empty; say what is to be done")]
    EmptyPrompt,
    /// `prompt` is too long.
    #[error("prompt has {bytes} bytes; at most {MAX_PROMPT_BYTES} are taken")]
    PromptTooLong {
        /// Its length.
        bytes: usize,
    },
    /// `prompt` holds a character that no event can hold.
    #[error("prompt holds a NUL character")]
    PromptNul,
    /// `baseBranch` is no branch name.
    #[error("baseBranch {0:?} is not a name git allows for a branch")]
    BaseBranch(String),
    /// `model` is no model's name.
    #[error("model {0:?} is not a model's name")]
    Model(String),
    /// `limits.maxTurns` is out of range.
    #[error("limits.maxTurns has to be 1 to 1,000")]
    MaxTurns,
    /// `limits.maxMinutes` is out of range.
    #[error("limits.maxMinutes has to be 1 to 1,440")]
    MaxMinutes,
    /// `limits.maxCostUsd` is out of range.
    #[error("limits.maxCostUsd has to be more than 0 and at most 1,000")]
    MaxCost,
}

impl UncheckedRequest {
    /// Checks the request. `default_model` is used when it names none.
    pub fn check(self, default_model: &str) -> Result<Request, InvalidRequest> {
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
        })
    }
}

impl UncheckedLimits {
    /// Checks the limits and fills in the defaults.
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

/// Whether git takes `name` as a branch (`git check-ref-format --branch`), and it is no option.
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
        // ssh needs to know as whom to come; a password is none of its business either.
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        user.is_some_and(|user| scheme != "ssh" || user.contains(':'))
    })
}
