//! The JSON views of sessions and tokens.

use domain::ports::SessionSummary;
use domain::state::SessionState;
use domain::{MicroDollars, SessionId, Status, Todo, TokenRecord};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::error::{ApiError, Code};

/// A session.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionView {
    #[schema(example = "01KB2X3Y4Z5A6B7C8D9E0F1G2H")]
    pub id: String,
    /// The principal that the session belongs to.
    pub owner: String,
    pub repo_url: String,
    /// What the agent should do.
    pub prompt: String,
    /// The branch it starts from; null for the repository's default branch.
    pub base_branch: Option<String>,
    pub model: String,
    /// What commands in the sandbox reach: `none`, `registries` or `open`.
    pub network: String,
    /// RFC 3339.
    pub created_at: String,
    /// The latest run, counted from 1.
    pub run: u32,
    /// The status of the latest run.
    pub status: StatusWord,
    /// Why the run is queued: its principal has its maximum of running sessions. Null otherwise.
    pub queued: Option<String>,
    /// What the session asks its user: `{"for": "plan_approval", "plan": …}`, `plan_question`, `question`, `budget` or `stuck`.
    #[schema(value_type = Option<Object>)]
    pub waits_for: Option<Value>,
    /// When the wait for an answer ends (RFC 3339).
    pub waits_until: Option<String>,
    /// The plan, with its id and the model's own confidence.
    #[schema(value_type = Option<Object>)]
    pub plan: Option<Value>,
    /// How the project's checks ended on what the latest run publishes: `round`, `digest`, `checks` with `command`, `outcome`
    /// (`passed`, `failed`, `failed_before`, `not_run`), `reason`, `exitCode`, `durationMs`. Null while they were not run.
    #[schema(value_type = Option<Object>)]
    pub verification: Option<Value>,
    /// Work of the latest run that is not published, each file with the reason.
    pub left_out: Vec<String>,
    /// The model's to-do list.
    #[schema(value_type = Vec<Object>)]
    pub todo: Vec<Todo>,
    /// The limits of the latest run.
    pub limits: LimitsView,
    /// What the latest run has used.
    #[schema(value_type = Object)]
    pub totals: Value,
    /// The cost of all runs, in dollars.
    pub cost_usd: f64,
    /// The published branch.
    pub branch: Option<String>,
    /// The URL of the pull request.
    #[serde(rename = "pr_url")]
    pub pr_url: Option<String>,
    /// How the latest run ended, in a sentence.
    pub summary: Option<String>,
    /// The path of the session's events.
    pub events_url: String,
}

/// Limits of a run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LimitsView {
    /// Replies of the model.
    pub max_turns: u32,
    pub max_cost_usd: f64,
    /// Minutes of work, without the time that the session waits for its user.
    pub max_minutes: u32,
}

/// A session in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SummaryView {
    pub id: String,
    pub repo_url: String,
    /// The plan's title, or the beginning of the prompt.
    pub title: String,
    /// RFC 3339.
    pub created_at: String,
    /// When the session last changed (RFC 3339).
    pub updated_at: String,
    /// The latest run, counted from 1.
    pub run: u32,
    /// The status of the latest run.
    pub status: StatusWord,
    /// The cost of all runs, in dollars.
    pub cost_usd: f64,
    /// The URL of the pull request.
    #[serde(rename = "pr_url")]
    pub pr_url: Option<String>,
}

/// An access token, without the token.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenView {
    pub id: String,
    pub principal: String,
    /// A note on what the token is for.
    pub label: String,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339; null for a token that does not expire.
    pub expires_at: Option<String>,
    /// RFC 3339; null for a token that is not revoked.
    pub revoked_at: Option<String>,
}

/// The status of a run: `queued`, `preparing`, `planning`, `working`, `waiting` (for an outside system), `awaiting_user`,
/// `verifying`, `publishing`, or how it ended: `done`, `nothing`, `rejected`, `expired`, `cancelled`, `failed`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, example = "working")]
pub(crate) struct StatusWord(pub Status);

/// The path of a session's events.
pub(crate) fn events_url(session: &SessionId) -> String {
    format!("/sessions/{session}/events")
}

impl SessionView {
    /// The view of a session with a run.
    pub(crate) fn new(state: &SessionState) -> Result<Self, ApiError> {
        let (Some(session), Some(run)) = (&state.session, state.run()) else {
            return Err(ApiError::new(Code::Internal, "the session's log does not begin with its creation and a run"));
        };
        let request = &session.request;
        let limits = run.budget.limits();
        let plan = state.plan.as_ref().map(|plan| {
            let mut view = serde_json::to_value(&plan.content).unwrap_or_default();
            view["id"] = plan.id.as_str().into();
            view["approved"] = plan.approved.is_some().into();
            view
        });
        Ok(Self {
            id: session.id.to_string(),
            owner: session.owner.to_string(),
            repo_url: request.repo_url.clone(),
            prompt: request.prompt.clone(),
            base_branch: request.base_branch.clone(),
            model: request.model.clone(),
            network: request.network.name().to_owned(),
            created_at: session.created_at.to_string(),
            run: run.number.0,
            status: StatusWord(run.status),
            queued: run.queued.clone().filter(|_| run.status == Status::Queued),
            waits_for: state.wait.as_ref().map(|wait| serde_json::to_value(&wait.reason).unwrap_or_default()),
            waits_until: state.wait.as_ref().map(|wait| wait.deadline.to_string()),
            plan,
            verification: (run.verification.as_ref().or(run.verifying.last.as_ref()))
                .map(|verification| serde_json::to_value(verification).unwrap_or_default()),
            left_out: run.changeset.as_ref().map(|changeset| changeset.skipped.clone()).unwrap_or_default(),
            todo: state.todo.clone(),
            limits: LimitsView {
                max_turns: limits.max_turns,
                max_cost_usd: limits.max_cost.as_dollars(),
                max_minutes: limits.max_minutes,
            },
            totals: serde_json::to_value(run.totals()).unwrap_or_default(),
            cost_usd: state.runs.iter().map(|run| run.budget.spent()).sum::<MicroDollars>().as_dollars(),
            branch: state.branch.as_ref().map(|branch| branch.branch.clone()),
            pr_url: state.pull_request.as_ref().map(|opened| opened.pr_url.clone()),
            summary: run.finished.as_ref().map(|finished| finished.summary.clone()),
            events_url: events_url(&session.id),
        })
    }
}

impl From<SessionSummary> for SummaryView {
    fn from(summary: SessionSummary) -> Self {
        Self {
            id: summary.id.to_string(),
            repo_url: summary.repo_url,
            title: summary.title,
            created_at: summary.created_at.to_string(),
            updated_at: summary.updated_at.to_string(),
            run: summary.run.0,
            status: StatusWord(summary.status),
            cost_usd: summary.cost.as_dollars(),
            pr_url: summary.pr_url,
        }
    }
}

impl From<TokenRecord> for TokenView {
    fn from(token: TokenRecord) -> Self {
        Self {
            id: token.id.to_string(),
            principal: token.principal.to_string(),
            label: token.label,
            created_at: token.created_at.to_string(),
            expires_at: token.expires_at.map(|at| at.to_string()),
            revoked_at: token.revoked_at.map(|at| at.to_string()),
        }
    }
}
