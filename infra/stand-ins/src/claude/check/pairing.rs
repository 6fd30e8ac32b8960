//! Each tool call has one result in the next message, and each result has its call in the previous message.

use std::collections::HashSet;

use crate::claude::api_error::ApiError;
use crate::claude::request::Message;

pub(crate) fn check(messages: &[Message]) -> Result<(), ApiError> {
    let mut ever_called = HashSet::new();
    let mut due: Vec<&str> = Vec::new();
    for (number, message) in messages.iter().enumerate() {
        let results = results(message, number, &due)?;
        check_answered(&due, &results, number)?;
        due = ids(message, "tool_use", "id").map(|(_, id)| id).collect();
        if !due.iter().all(|id| ever_called.insert(*id)) {
            return Err(ApiError::invalid("messages: `tool_use` ids must be unique"));
        }
    }
    check_answered(&due, &HashSet::new(), messages.len())
}

/// The ids of the results in a message that count: those before any other block.
fn results<'a>(message: &'a Message, number: usize, due: &[&str]) -> Result<HashSet<&'a str>, ApiError> {
    let leading = message.blocks.iter().take_while(|block| block["type"] == "tool_result").count();
    let mut results = HashSet::new();
    for (position, id) in ids(message, "tool_result", "tool_use_id") {
        if !due.contains(&id) {
            return Err(ApiError::invalid(format!(
                "messages.{number}.content.{position}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. \
                 Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
            )));
        }
        if position < leading && !results.insert(id) {
            return Err(ApiError::invalid(format!(
                "messages.{number}.content.{position}: each tool_use must have a single result. Found multiple \
                 `tool_result` blocks with id: {id}"
            )));
        }
    }
    Ok(results)
}

fn check_answered(due: &[&str], results: &HashSet<&str>, number: usize) -> Result<(), ApiError> {
    let missing: Vec<&str> = due.iter().filter(|id| !results.contains(**id)).copied().collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "messages.{}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each `tool_use` \
         block must have a corresponding `tool_result` block in the next message.",
        number.saturating_sub(1),
        missing.join(", ")
    )))
}

fn ids<'a>(message: &'a Message, kind: &'a str, field: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let blocks = message.blocks.iter().enumerate().filter(move |(_, block)| block["type"] == kind);
    blocks.map(move |(position, block)| (position, block[field].as_str().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::claude::request::Role;

    fn check_answers(answers: Value) -> Result<(), String> {
        let say = |role, blocks: Value| Message { role, blocks: blocks.as_array().cloned().unwrap() };
        let call = |id| json!({"type": "tool_use", "id": id, "name": "bash", "input": {}});
        let messages = [
            say(Role::User, json!([{"type": "text", "text": "go"}])),
            say(Role::Assistant, json!([call("a"), call("b")])),
            say(Role::User, answers),
        ];
        check(&messages).map_err(|error| error.message)
    }

    #[test]
    fn calls_and_results_pair_both_ways() {
        let result = |id| json!({"type": "tool_result", "tool_use_id": id, "content": "x"});
        let text = json!({"type": "text", "text": "and now"});
        assert_eq!(check_answers(json!([result("b"), result("a"), text])), Ok(()));
        let refused = |answers, words: &str| {
            let error = check_answers(answers).unwrap_err();
            assert!(error.contains(words), "{error}");
        };
        refused(
            json!([result("a")]),
            "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: b.",
        );
        refused(json!([text, result("a"), result("b")]), "immediately after: a, b.");
        refused(json!([result("a"), text, result("b")]), "immediately after: b.");
        refused(
            json!([result("a"), result("c")]),
            "messages.2.content.1: unexpected `tool_use_id` found in `tool_result` blocks: c.",
        );
        refused(json!([result("a"), result("a")]), "Found multiple `tool_result` blocks with id: a");
    }
}
