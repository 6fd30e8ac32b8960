//! The record of a session: what is fixed when it is created.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Principal, RawJson, Request, SessionId, TraceContext};

/// One request and all that comes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// Who may see and steer it.
    pub owner: Principal,
    /// When it was created.
    pub created_at: Timestamp,
    /// What was asked.
    pub request: Request,
    /// Its trace, from its creation on.
    pub trace: TraceContext,
    /// What every call to the model has in common.
    pub setup: Setup,
}

/// What every call to the model has in common. Fixed for the session's life: a deployment that changes the prompts does
/// not touch sessions that run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Setup {
    /// Which edition of the prompts this is.
    pub prompts_version: String,
    /// The system prompt of the main conversation.
    pub system: String,
    /// The tools of the main conversation, a JSON array.
    #[serde(with = "crate::json::as_text")]
    pub tools: RawJson,
    /// The system prompt of the plan's conversation.
    pub plan_system: String,
    /// The schema of a plan.
    #[serde(with = "crate::json::as_text")]
    pub plan_schema: RawJson,
    /// The longest reply to ask for, in tokens.
    pub max_tokens: u32,
    /// From this length on, in tokens, a conversation is handed over to a new one: what is re-sent with every turn costs.
    #[serde(default = "default_context_tokens")]
    pub context_tokens: u64,
}

/// What [`Setup::context_tokens`] is unless somebody says otherwise.
pub const DEFAULT_CONTEXT_TOKENS: u64 = 200_000;

fn default_context_tokens() -> u64 {
    DEFAULT_CONTEXT_TOKENS
}
