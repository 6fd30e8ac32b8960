//! The tools of the model. Each has a file of its own and a line in [`TOOLS`].

mod ask_user;
mod bash;
mod bash_output;
mod edit;
mod exit_code;
mod glob;
mod grep;
mod input;
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

/// All tools, in the order in which a request lists them.
const TOOLS: [Entry; 7] = [
    Entry::of::<Bash>(),
    Entry::of::<Edit>(),
    Entry::of::<Glob>(),
    Entry::of::<Grep>(),
    Entry::of::<UpdateTodos>(),
    Entry::of::<RecordDecision>(),
    Entry::of::<AskUser>(),
];

/// The `tools` of a request to the model.
pub(crate) fn schemas() -> Value {
    TOOLS.iter().map(|tool| (tool.schema)()).collect()
}

/// Parses a call of the model. The error is a sentence that the model reads.
pub(crate) fn parse_call(name: &str, input: &Value) -> Result<Box<dyn Tool>, ToolFailure> {
    let Some(tool) = TOOLS.iter().find(|tool| (tool.name)() == name) else {
        let names: Vec<&str> = TOOLS.iter().map(|tool| (tool.name)()).collect();
        return Err(ToolFailure(format!("there is no tool {name:?}; the tools are {}", names.join(", "))));
    };
    if let Some(sentence) = input::not_json(input) {
        return Err(ToolFailure(sentence));
    }
    let parsed = input::normalized(input, &(tool.input_schema)())
        .and_then(|input| (tool.parse)(input).map_err(|error| error.to_string()));
    parsed.map_err(|error| ToolFailure(format!("the input of {name} is invalid: {error}")))
}

/// Checks that a call can be parsed, for calls that are written by hand: scripts of the stand-in model.
///
/// # Errors
/// The sentence that the model would read: there is no such tool, or its input is invalid.
pub fn check_call(name: &str, input: &Value) -> Result<(), ToolFailure> {
    parse_call(name, input).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_has_the_name_of_its_tool() {
        let schemas = schemas();
        for (entry, schema) in TOOLS.iter().zip(schemas.as_array().unwrap()) {
            assert_eq!(schema["name"], (entry.name)());
        }
    }

    #[test]
    fn an_invalid_call_tells_the_model_why() {
        let unknown = check_call("rm", &Value::Null).unwrap_err();
        assert!(unknown.0.contains("bash, str_replace_based_edit_tool, glob"), "{unknown}");
        let wrong = check_call("glob", &serde_json::json!({ "patern": "*" })).unwrap_err();
        assert!(wrong.0.contains("`pattern` is missing: it must be text (unknown field `patern`"), "{wrong}");
    }
}
