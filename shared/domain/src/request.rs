//! What a user asks for, checked once at the door.

use serde::{Deserialize, Serialize};

use crate::{ErrorCode, MicroDollars, Terminal, name_invisible};

/// The longest prompt, in bytes.
pub const MAX_PROMPT_BYTES: usize = 256 * 1024;

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
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
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

impl UncheckedRequest {
    /// Checks the request. `default_model` is used when it names none.
    pub fn check(self, default_model: &str) -> Result<Request, Terminal> {
        let refused = |message: String| Err(Terminal::new(ErrorCode::InvalidRequest, message));
        let repo_url = self.repo_url.as_str();
        if repo_url.trim().is_empty() {
            return refused("repoUrl is empty; name the repository".to_owned());
        }
        if repo_url.len() > 2048 || repo_url.chars().any(char::is_control) {
            return refused("repoUrl is longer than 2,048 bytes or holds control characters".to_owned());
        }
        if repo_url.starts_with('-') {
            return refused("repoUrl begins with '-'".to_owned());
        }
        if has_credentials(repo_url) {
            return refused(
                "repoUrl holds a user name or password; leave them out (tokens are configured, for git or here)"
                    .to_owned(),
            );
        }
        if self.prompt.trim().is_empty() {
            return refused("prompt is empty; say what is to be done".to_owned());
        }
        if self.prompt.len() > MAX_PROMPT_BYTES {
            let bytes = self.prompt.len();
            return refused(format!("prompt has {bytes} bytes; at most {MAX_PROMPT_BYTES} are taken"));
        }
        if self.prompt.contains('\0') {
            return refused("prompt holds a NUL character".to_owned());
        }
        if let Some(branch) = &self.base_branch
            && !is_branch_name(branch)
        {
            return refused(format!("baseBranch {branch:?} is not a name git allows for a branch"));
        }
        let model = self.model.unwrap_or_else(|| default_model.to_owned());
        if model.is_empty()
            || model.len() > 128
            || !model.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b))
        {
            return refused(format!("model {model:?} is not a model's name"));
        }
        Ok(Request {
            repo_url: repo_url.to_owned(),
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
    pub fn check(self) -> Result<Limits, Terminal> {
        let defaults = Limits::default();
        let refused = |message: &str| Err(Terminal::new(ErrorCode::InvalidRequest, message));
        let max_turns = self.max_turns.unwrap_or(defaults.max_turns);
        if !(1..=1000).contains(&max_turns) {
            return refused("limits.maxTurns has to be 1 to 1,000");
        }
        let max_minutes = self.max_minutes.unwrap_or(defaults.max_minutes);
        if !(1..=1440).contains(&max_minutes) {
            return refused("limits.maxMinutes has to be 1 to 1,440");
        }
        let max_cost = match self.max_cost_usd {
            None => defaults.max_cost,
            Some(dollars) => match MicroDollars::from_dollars(dollars) {
                Ok(amount) if (1..=1_000_000_000).contains(&amount.0) => amount,
                Ok(_) | Err(_) => return refused("limits.maxCostUsd has to be more than 0 and at most 1,000"),
            },
        };
        Ok(Limits { max_turns, max_cost, max_minutes })
    }
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
