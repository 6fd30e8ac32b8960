//! `update_todos`: replaces the to-do list that the user sees.

use async_trait::async_trait;
use domain::{Todo, TodoStatus, TodoUpdated, ToolKind};
use serde::Deserialize;
use serde_json::{Value, json};

use super::tool::{Answer, Display, Progress, Scope, Tool};
use crate::workspace::WorkspaceError;

/// Maximum items: the whole list is sent to every viewer with each change.
const MAX_ITEMS: usize = 100;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateTodos {
    todos: Vec<Todo>,
}

#[async_trait]
impl Tool for UpdateTodos {
    fn name() -> &'static str {
        "update_todos"
    }

    fn schema() -> Value {
        json!({
            "name": Self::name(),
            "description": "Replaces the to-do list, which the user sees. Keep one item in progress at a time.",
            "input_schema": {
                "type": "object",
                "additionalProperties": false,
                "required": ["todos"],
                "properties": {
                    "todos": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "additionalProperties": false,
                            "required": ["content", "status"],
                            "properties": {
                                "content": { "type": "string" },
                                "status": { "type": "string", "enum": ["pending", "in_progress", "completed"] }
                            }
                        }
                    }
                }
            }
        })
    }

    fn display(&self) -> Display {
        Display { kind: ToolKind::Other, title: "Update the to-do list".to_owned(), fields: Value::Null }
    }

    async fn run(&self, scope: &Scope<'_>) -> Result<Progress, WorkspaceError> {
        let count = self.todos.len();
        if count > MAX_ITEMS {
            return Ok(Answer::failed(format!("A to-do list has at most {MAX_ITEMS} items.")).into());
        }
        let redacted = |todo: &Todo| Todo { content: scope.redacted(&todo.content), ..todo.clone() };
        let items: Vec<Todo> = self.todos.iter().map(redacted).collect();
        let completed = items.iter().filter(|todo| todo.status == TodoStatus::Completed).count();
        let output = format!("Updated the list: {completed} of {count} done.");
        Ok(Answer { events: vec![TodoUpdated { items }.into()], ..Answer::ok(output) }.into())
    }
}
