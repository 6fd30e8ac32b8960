//! `record_decision`: records a choice between real alternatives, for the reviewers of the change.

use async_trait::async_trait;
use domain::{Decision, DecisionRecorded, ToolKind};
use serde::Deserialize;
use serde_json::{Value, json};

use super::tool::{Answer, Display, Progress, Scope, Tool};
use crate::workspace::WorkspaceError;

/// Maximum length of each text of a decision: the pull request shows a decision in one line.
const MAX_TEXT_CHARACTERS: usize = 1000;

const MAX_ALTERNATIVES: usize = 10;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(transparent)]
pub(super) struct RecordDecision(Decision);

#[async_trait]
impl Tool for RecordDecision {
    fn name() -> &'static str {
        "record_decision"
    }

    fn schema() -> Value {
        json!({
            "name": Self::name(),
            "description": "Records for the reviewers a choice that you made between real alternatives, where a good engineer might have chosen differently. Do not record obvious choices.",
            "input_schema": {
                "type": "object",
                "additionalProperties": false,
                "required": ["decision", "reason", "alternatives"],
                "properties": {
                    "decision": { "type": "string" },
                    "reason": { "type": "string" },
                    "alternatives": { "type": "array", "items": { "type": "string" } }
                }
            }
        })
    }

    fn display(&self) -> Display {
        Display { kind: ToolKind::Other, title: format!("Decide: {}", self.0.decision), fields: Value::Null }
    }

    async fn run(&self, scope: &Scope<'_>) -> Result<Progress, WorkspaceError> {
        let Decision { decision, reason, alternatives } = &self.0;
        if decision.trim().is_empty() || reason.trim().is_empty() {
            return Ok(Answer::failed("A decision needs a text and a reason.").into());
        }
        let mut texts = [decision, reason].into_iter().chain(alternatives);
        if alternatives.len() > MAX_ALTERNATIVES || texts.any(|text| text.chars().count() > MAX_TEXT_CHARACTERS) {
            return Ok(Answer::failed(format!(
                "A decision has at most {MAX_ALTERNATIVES} alternatives, and each text at most {MAX_TEXT_CHARACTERS} \
                 characters."
            ))
            .into());
        }
        let decision = Decision {
            decision: scope.redacted(decision),
            reason: scope.redacted(reason),
            alternatives: alternatives.iter().map(|text| scope.redacted(text)).collect(),
        };
        Ok(Answer { events: vec![DecisionRecorded { decision }.into()], ..Answer::ok("Recorded.") }.into())
    }
}
