//! The tools of the model: one file each, and one line each in [`TOOLS`].

mod ask_user;
mod bash;
mod bash_output;
mod edit;
mod glob;
mod grep;
mod limits;
mod record_decision;
mod tool;
mod toolbox_call;
mod update_todos;

use domain::ToolFailure;
use serde_json::Value;

pub use limits::ToolLimits;
pub(crate) use tool::{Answer, Progress, Scope, Tool};

use ask_user::AskUser;
use bash::Bash;
use edit::Edit;
use glob::Glob;
use grep::Grep;
use record_decision::RecordDecision;
use tool::Entry;
use update_todos::UpdateTodos;

/// Every tool, in the order in which the model is told of them.
const TOOLS: [Entry; 7] = [
    Entry::of::<Bash>(),
    Entry::of::<Edit>(),
    Entry::of::<Glob>(),
    Entry::of::<Grep>(),
    Entry::of::<UpdateTodos>(),
    Entry::of::<RecordDecision>(),
    Entry::of::<AskUser>(),
];

/// What a request tells the model of its tools.
pub(crate) fn schemas() -> Value {
    TOOLS.iter().map(|tool| (tool.schema)()).collect()
}

/// Understands a call of the model.
pub(crate) fn read_call(name: &str, input: &Value) -> Result<Box<dyn Tool>, ToolFailure> {
    let Some(tool) = TOOLS.iter().find(|tool| (tool.name)() == name) else {
        let names: Vec<&str> = TOOLS.iter().map(|tool| (tool.name)()).collect();
        return Err(ToolFailure(format!("there is no tool {name:?}; there are {}", names.join(", "))));
    };
    (tool.read)(input).map_err(|error| ToolFailure(format!("the input of {name} is not understood: {error}")))
}

/// Checks that a call can be understood, for those who write calls by hand: scripts of the stand-in model.
///
/// # Errors
/// What the model would read: there is no such tool, or which part of its input is wrong.
pub fn check_call(name: &str, input: &Value) -> Result<(), ToolFailure> {
    read_call(name, input).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_is_announced_by_the_name_it_is_called_by() {
        let schemas = schemas();
        for (entry, schema) in TOOLS.iter().zip(schemas.as_array().unwrap()) {
            assert_eq!(schema["name"], (entry.name)());
        }
    }

    #[test]
    fn a_call_that_is_not_understood_tells_the_model_why() {
        let unknown = check_call("rm", &Value::Null).unwrap_err();
        assert!(unknown.0.contains("bash, str_replace_based_edit_tool, glob"), "{unknown}");
        let wrong = check_call("glob", &serde_json::json!({ "patern": "*" })).unwrap_err();
        assert!(wrong.0.contains("unknown field `patern`"), "{wrong}");
    }
}
