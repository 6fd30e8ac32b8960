//! `ask_user`: asks the user one question, after the turn's other calls.

use async_trait::async_trait;
use domain::ToolKind;
use serde::Deserialize;
use serde_json::{Value, json};

use super::tool::{Answer, Display, Progress, Scope, Tool};
use crate::workspace::WorkspaceError;

/// A longer text is a report and belongs in the last reply.
const MAX_QUESTION_CHARACTERS: usize = 4000;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AskUser {
    question: String,
}

#[async_trait]
impl Tool for AskUser {
    fn name() -> &'static str {
        "ask_user"
    }

    fn schema() -> Value {
        json!({
            "name": Self::name(),
            "description": "Asks the user one question and waits for the answer, which may take a long time. Use it only when a wrong guess would be expensive.",
            "input_schema": {
                "type": "object",
                "additionalProperties": false,
                "required": ["question"],
                "properties": { "question": { "type": "string", "description": "The question, and what you will do if there is no answer." } }
            }
        })
    }

    fn asks_user(&self) -> bool {
        true
    }

    fn display(&self) -> Display {
        Display {
            kind: ToolKind::Other,
            title: format!("Ask: {}", self.question),
            fields: json!({ "question": self.question }),
        }
    }

    async fn run(&self, scope: &Scope<'_>) -> Result<Progress, WorkspaceError> {
        let question = self.question.trim();
        if question.is_empty() || question.chars().count() > MAX_QUESTION_CHARACTERS {
            return Ok(
                Answer::failed(format!("A question must have 1 to {MAX_QUESTION_CHARACTERS} characters.")).into()
            );
        }
        Ok(Progress::Asks(scope.redacted(question)))
    }
}
