//! What is fixed about a session when it is created.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Principal, RawJson, Request, SessionId, TraceContext};

/// One request and everything that comes of it, follow-ups included. Nothing of this changes after creation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    pub id: SessionId,
    /// Who may see and steer it.
    pub owner: Principal,
    pub created_at: Timestamp,
    pub request: Request,
    pub trace: TraceContext,
    /// What every call to the model has in common.
    pub setup: Setup,
}

/// What every call to the model has in common.
///
/// Fixed at creation and stored with the session, because current models sign their thinking over everything before it and
/// refuse an edited conversation: a deployment that changes the prompts must not affect existing sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Setup {
    /// Identifies the version of the prompts.
    pub prompts_version: String,
    /// The system prompt of the main conversation.
    pub system: String,
    /// The tools of the main conversation, a JSON array.
    #[serde(with = "crate::json::as_text")]
    pub tools: RawJson,
    /// The system prompt of the plan's conversation.
    pub plan_system: String,
    /// The JSON schema of a plan.
    #[serde(with = "crate::json::as_text")]
    pub plan_schema: RawJson,
    /// Limit of a reply, in tokens.
    pub max_tokens: u32,
    /// Length in tokens from which on the main conversation is compacted: the whole of it is sent, and paid for, with every
    /// turn.
    #[serde(default = "default_context_tokens")]
    pub context_tokens: u64,
    /// The checks that the deployment's settings fix for every project, as shell commands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<Vec<String>>,
}

/// Default of [`Setup::context_tokens`].
pub const DEFAULT_CONTEXT_TOKENS: u64 = 200_000;

fn default_context_tokens() -> u64 {
    DEFAULT_CONTEXT_TOKENS
}
