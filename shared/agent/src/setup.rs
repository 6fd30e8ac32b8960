//! The set-up of a session: system prompts, tools and limits, which stay the same in all of its calls to the model.

use domain::{DEFAULT_CONTEXT_TOKENS, Digest256, RawJson, Setup};
use serde_json::Value;

use crate::tools::{ToolLimits, schemas};

/// Default limit on a reply, in tokens, so that a call fits one invocation.
pub const DEFAULT_MAX_TOKENS: u32 = 32_000;

/// The prompt files. Each of them counts in the version of the prompts.
const PROMPTS: [(&str, &str); 9] = [
    ("prompts/compaction.md", include_str!("prompts/compaction.md")),
    ("prompts/plan.md", PLAN),
    ("prompts/plan.schema.json", PLAN_SCHEMA),
    ("prompts/projects/data-science.md", include_str!("prompts/projects/data-science.md")),
    ("prompts/projects/devops.md", include_str!("prompts/projects/devops.md")),
    ("prompts/projects/frontend.md", include_str!("prompts/projects/frontend.md")),
    ("prompts/projects/general.md", include_str!("prompts/projects/general.md")),
    ("prompts/projects/web.md", include_str!("prompts/projects/web.md")),
    ("prompts/system.md", SYSTEM),
];

const SYSTEM: &str = include_str!("prompts/system.md");
const PLAN: &str = include_str!("prompts/plan.md");
const PLAN_SCHEMA: &str = include_str!("prompts/plan.schema.json");

/// The set-up that sessions store when they start. A session keeps its own when the program is updated meanwhile: its
/// conversation must not change.
///
/// # Errors
/// When one of the JSON files or schemas of this program is not valid JSON, which is a defect.
pub fn setup(limits: &ToolLimits, max_tokens: u32) -> Result<Setup, serde_json::Error> {
    let compact = |json: &str| {
        let value: serde_json::Value = serde_json::from_str(json)?;
        RawJson::of(&value)
    };
    let tools = schemas();
    Ok(Setup {
        prompts_version: version(&PROMPTS, &tools),
        system: SYSTEM.replace("{{command_seconds}}", &limits.command.as_secs().to_string()),
        tools: RawJson::of(&tools)?,
        plan_system: PLAN.to_owned(),
        plan_schema: compact(PLAN_SCHEMA)?,
        max_tokens,
        context_tokens: DEFAULT_CONTEXT_TOKENS,
        checks: None,
    })
}

/// Twelve hex digits that change with every change of a prompt or of a tool's schema.
fn version(prompts: &[(&str, &str)], tools: &Value) -> String {
    let mut texts: Vec<String> = prompts.iter().map(|(name, text)| format!("{name}\0{text}")).collect();
    texts.push(format!("tools\0{tools}"));
    Digest256::of(texts.join("\0").as_bytes()).as_str()[..12].to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn files(directory: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, found);
            } else {
                let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
                found.insert(path.strip_prefix(source).unwrap().display().to_string());
            }
        }
    }

    #[test]
    fn every_prompt_counts_in_the_version() {
        let mut present = BTreeSet::new();
        files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/prompts"), &mut present);
        assert_eq!(present, PROMPTS.iter().map(|(name, _)| (*name).to_owned()).collect());
        let tools = schemas();
        let current = version(&PROMPTS, &tools);
        for changed in 0..PROMPTS.len() {
            let mut prompts = PROMPTS;
            prompts[changed].1 = "another text";
            assert_ne!(version(&prompts, &tools), current, "{}", PROMPTS[changed].0);
        }
        assert_ne!(version(&PROMPTS, &Value::Null), current, "the tools");
    }
}
