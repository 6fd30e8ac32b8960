//! `update_todos`: the to-do list that the user sees.

use domain::{Todo, TodoStatus};
use serde::Deserialize;

use super::Answer;

const MAX_ITEMS: usize = 100;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateTodos {
    pub todos: Vec<Todo>,
}

impl UpdateTodos {
    pub(crate) fn answer(self) -> Answer {
        if self.todos.len() > MAX_ITEMS {
            return Answer::failed(format!("a to-do list has at most {MAX_ITEMS} items"));
        }
        let completed = self.todos.iter().filter(|todo| todo.status == TodoStatus::Completed).count();
        let output = format!("The list is kept: {completed} of {} done.", self.todos.len());
        Answer { todos: Some(self.todos), ..Answer::ok(output) }
    }
}
