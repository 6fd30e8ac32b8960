//! What a new session's calls to the model will have in common.

use domain::{Digest256, RawJson, Setup};

use crate::tools::ToolLimits;

/// The longest reply to ask for, so that a call fits one invocation.
pub const DEFAULT_MAX_TOKENS: u32 = 32_000;

const SYSTEM: &str = include_str!("prompts/system.md");
const PLAN: &str = include_str!("prompts/plan.md");
const PLAN_SCHEMA: &str = include_str!("prompts/plan.schema.json");
const TOOLS: &str = include_str!("tools/schemas.json");

/// The set-up of sessions that start now.
pub fn setup(limits: &ToolLimits, max_tokens: u32) -> Result<Setup, serde_json::Error> {
    let compact = |json: &str| {
        let value: serde_json::Value = serde_json::from_str(json)?;
        RawJson::of(&value)
    };
    Ok(Setup {
        prompts_version: version(&[SYSTEM, PLAN, PLAN_SCHEMA, TOOLS]),
        system: SYSTEM.replace("{{command_seconds}}", &limits.command.as_secs().to_string()),
        tools: compact(TOOLS)?,
        plan_system: PLAN.to_owned(),
        plan_schema: compact(PLAN_SCHEMA)?,
        max_tokens,
    })
}

/// Twelve hex digits that change with every change of a prompt.
fn version(texts: &[&str]) -> String {
    Digest256::of(texts.join("\0").as_bytes()).as_str()[..12].to_owned()
}
