//! Finds the next reply in the script. It depends on the request alone, so restarts, retries and concurrent sessions all find
//! the same one.

use serde_json::Value;

use super::api_error::ApiError;
use super::request::{Message, Request, Role};
use super::script::{Condition, Scenario, Script, Turn};

/// What to reply.
pub(crate) enum NextReply<'a> {
    Turn(&'a Turn),
    /// The answer to a request for structured output.
    Plan(&'a Value),
    ScriptEnded,
}

/// The reply to a request.
///
/// # Errors
/// If no script matches the conversation, or if structured output is wanted and the script has no plan.
pub(crate) fn next_reply<'a>(script: &'a Script, request: &Request) -> Result<NextReply<'a>, ApiError> {
    let first = request.messages.first().map(Message::text).unwrap_or_default();
    let matches = |scenario: &&Scenario| scenario.matches.as_ref().is_none_or(|part| first.contains(part));
    let scenario = script.scenarios.iter().find(matches);
    let scenario = scenario.ok_or_else(|| ApiError::invalid("stand-in: no script matches the first user message"))?;
    if request.wants_structured_output() {
        return plan(scenario, &request.messages).map(NextReply::Plan);
    }
    let mut position = 0;
    for (number, message) in request.messages.iter().enumerate() {
        if message.role == Role::Assistant {
            position = position_after(scenario, position, &request.messages[..number]);
        }
    }
    Ok(turn_at(scenario, position, &request.messages).map_or(NextReply::ScriptEnded, NextReply::Turn))
}

/// The first plan, or a later one if the conversation shows that plans were sent back.
fn plan<'a>(scenario: &'a Scenario, messages: &[Message]) -> Result<&'a Value, ApiError> {
    let count = |role| messages.iter().filter(|message| message.role == role).count();
    let revisions = count(Role::Assistant).max(count(Role::User).saturating_sub(1));
    let plans: Vec<&Value> = scenario.plan.iter().chain(&scenario.plans).collect();
    let plan = plans.get(revisions).or(plans.last()).copied();
    plan.ok_or_else(|| ApiError::invalid("stand-in: the request wants structured output, but the script has no plan"))
}

/// The position after the turn that was played at `position`.
fn position_after(scenario: &Scenario, position: usize, before: &[Message]) -> usize {
    let Some(turn) = turn_at(scenario, position, before) else {
        return position;
    };
    turn.then.as_deref().and_then(|label| scenario.position_of(label)).unwrap_or(position + 1)
}

/// The turn at a position, or its first alternative whose condition holds after the messages `before` it.
fn turn_at<'a>(scenario: &'a Scenario, position: usize, before: &[Message]) -> Option<&'a Turn> {
    let turn = scenario.turns.get(position)?;
    let holds = |alternative: &&Turn| alternative.condition.as_ref().is_some_and(|condition| holds(condition, before));
    Some(turn.when.iter().find(holds).unwrap_or(turn))
}

fn holds(condition: &Condition, before: &[Message]) -> bool {
    let since = before.iter().rposition(|message| message.role == Role::Assistant).map_or(0, |last| last + 1);
    let latest = before[since..].iter().filter(|message| message.role == Role::User);
    if let Some(part) = &condition.user_contains
        && !latest.clone().any(|message| message.text().contains(part))
    {
        return false;
    }
    if condition.result_contains.is_none() && condition.is_error.is_none() {
        return true;
    }
    let mut results = latest.flat_map(|message| &message.blocks).filter(|block| block["type"] == "tool_result");
    results.any(|result| {
        let is_error = result["is_error"].as_bool().unwrap_or(false);
        condition.is_error.is_none_or(|wanted| wanted == is_error)
            && condition.result_contains.as_ref().is_none_or(|part| text_of(&result["content"]).contains(part))
    })
}

fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
    }
}
