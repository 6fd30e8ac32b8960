//! What is shown of a session, and of a token.

use domain::ports::SessionSummary;
use domain::state::SessionState;
use domain::{MicroDollars, SessionId, Status, Todo, TokenRecord, WaitReason};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A session.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionView {
    /// Its name.
    #[schema(example = "01KB2X3Y4Z5A6B7C8D9E0F1G2H")]
    pub id: String,
    /// Whose it is.
    pub owner: String,
    /// The repository.
    pub repo_url: String,
    /// What was asked for.
    pub prompt: String,
    /// The branch it starts from; none for the default one.
    pub base_branch: Option<String>,
    /// The model.
    pub model: String,
    /// When it was created (RFC 3339).
    pub created_at: String,
    /// Its latest run, counted from 1.
    pub run: u32,
    /// How that stands.
    pub status: StatusWord,
    /// Why it has not begun, when its principal has as many sessions at work as it may.
    pub queued: Option<String>,
    /// What a person is asked: `{"for": "plan_approval", "plan": …}`, `plan_question`, `question`, `budget` or `stuck`.
    #[schema(value_type = Option<Object>)]
    pub waits_for: Option<Value>,
    /// Until when an answer counts (RFC 3339).
    pub waits_until: Option<String>,
    /// The plan, with its id and the model's own confidence.
    #[schema(value_type = Option<Object>)]
    pub plan: Option<Value>,
    /// The model's to-do list.
    #[schema(value_type = Vec<Object>)]
    pub todo: Vec<Todo>,
    /// What the latest run may use.
    pub limits: LimitsView,
    /// What the latest run has used.
    #[schema(value_type = Object)]
    pub totals: Value,
    /// What all runs have cost, in dollars.
    pub cost_usd: f64,
    /// The published branch.
    pub branch: Option<String>,
    /// The pull request.
    #[serde(rename = "pr_url")]
    pub pr_url: Option<String>,
    /// How the latest run ended, in words.
    pub summary: Option<String>,
    /// Where its events are.
    pub events_url: String,
}

/// What a run may use.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LimitsView {
    /// Replies of the model.
    pub max_turns: u32,
    /// Dollars.
    pub max_cost_usd: f64,
    /// Minutes at work.
    pub max_minutes: u32,
}

/// A session in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SummaryView {
    /// Its name.
    pub id: String,
    /// The repository.
    pub repo_url: String,
    /// The plan's title, or the beginning of the prompt.
    pub title: String,
    /// When it was created (RFC 3339).
    pub created_at: String,
    /// When something last happened (RFC 3339).
    pub updated_at: String,
    /// Its latest run.
    pub run: u32,
    /// How that stands.
    pub status: StatusWord,
    /// What all runs have cost, in dollars.
    pub cost_usd: f64,
    /// The pull request.
    #[serde(rename = "pr_url")]
    pub pr_url: Option<String>,
}

/// An access token, without the token.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenView {
    /// Its name.
    pub id: String,
    /// Whose it is.
    pub principal: String,
    /// What it is for.
    pub label: String,
    /// When it was made (RFC 3339).
    pub created_at: String,
    /// Until when it counts (RFC 3339).
    pub expires_at: Option<String>,
    /// When it was revoked (RFC 3339).
    pub revoked_at: Option<String>,
}

/// How a run stands: `queued`, `preparing`, `planning`, `working`, `waiting` (for something outside), `awaiting_user`,
/// `publishing`, or how it ended: `done`, `nothing`, `rejected`, `expired`, `cancelled`, `failed`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, example = "working")]
pub(crate) struct StatusWord(pub Status);

/// Where the events of a session are.
pub(crate) fn events_url(session: &SessionId) -> String {
    format!("/sessions/{session}/events")
}

impl SessionView {
    /// The view of a session; none when its log has not begun.
    pub(crate) fn of(state: &SessionState) -> Option<Self> {
        let session = state.session.as_ref()?;
        let run = state.run()?;
        let request = &session.request;
        let limits = run.budget.limits();
        let plan = state.plan.as_ref().map(|plan| {
            let mut view = serde_json::to_value(&plan.content).unwrap_or_default();
            view["id"] = plan.id.as_str().into();
            view["approved"] = plan.approved.is_some().into();
            view
        });
        Some(Self {
            id: session.id.to_string(),
            owner: session.owner.to_string(),
            repo_url: request.repo_url.clone(),
            prompt: request.prompt.clone(),
            base_branch: request.base_branch.clone(),
            model: request.model.clone(),
            created_at: session.created_at.to_string(),
            run: run.number.0,
            status: StatusWord(run.status),
            queued: run.queued.clone().filter(|_| run.status == Status::Queued),
            waits_for: state.wait.as_ref().map(|wait| waits_for(&wait.reason)),
            waits_until: state.wait.as_ref().map(|wait| wait.deadline.to_string()),
            plan,
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

fn waits_for(reason: &WaitReason) -> Value {
    serde_json::to_value(reason).unwrap_or_default()
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
