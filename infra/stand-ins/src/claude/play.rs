//! Which reply is due. It follows from the request alone, so that restarts, repeats and many sessions at once find the
//! same place in the script.

use serde_json::Value;

use super::api_error::ApiError;
use super::request::{Message, Request, Role};
use super::script::{Condition, Scenario, Script, Turn};

/// What is to be said.
pub(crate) enum Due<'a> {
    /// A turn of the script.
    Turn(&'a Turn),
    /// An answer in the form that was asked for.
    Plan(&'a Value),
    /// The script has nothing more.
    Over,
}

/// The reply that is due to a request.
pub(crate) fn due<'a>(script: &'a Script, request: &Request) -> Result<Due<'a>, ApiError> {
    let first = request.messages.first().map(Message::text).unwrap_or_default();
    let matches = |scenario: &&Scenario| scenario.matches.as_ref().is_none_or(|part| first.contains(part));
    let scenario = script.scenarios.iter().find(matches);
    let scenario = scenario.ok_or_else(|| ApiError::invalid("stand-in: no script matches the first user message"))?;
    if request.wants_structure() {
        return plan(scenario, &request.messages).map(Due::Plan);
    }
    let mut place = 0;
    for (number, message) in request.messages.iter().enumerate() {
        if message.role == Role::Assistant {
            place = after(scenario, place, &request.messages[..number]);
        }
    }
    Ok(played(scenario, place, &request.messages).map_or(Due::Over, Due::Turn))
}

/// The first plan, or a further one when the conversation shows that it was sent back.
fn plan<'a>(scenario: &'a Scenario, messages: &[Message]) -> Result<&'a Value, ApiError> {
    let count = |role| messages.iter().filter(|message| message.role == role).count();
    let revisions = count(Role::Assistant).max(count(Role::User).saturating_sub(1));
    let plans: Vec<&Value> = scenario.plan.iter().chain(&scenario.plans).collect();
    let plan = plans.get(revisions).or(plans.last()).copied();
    plan.ok_or_else(|| ApiError::invalid("stand-in: structured output is asked for, and the script has no plan"))
}

fn after(scenario: &Scenario, place: usize, before: &[Message]) -> usize {
    let Some(turn) = played(scenario, place, before) else {
        return place;
    };
    turn.then.as_deref().and_then(|label| scenario.place_of(label)).unwrap_or(place + 1)
}

/// The turn at a place, or the alternative whose condition holds.
fn played<'a>(scenario: &'a Scenario, place: usize, before: &[Message]) -> Option<&'a Turn> {
    let turn = scenario.turns.get(place)?;
    let holds = |alternative: &&Turn| alternative.condition.as_ref().is_some_and(|condition| holds(condition, before));
    Some(turn.when.iter().find(holds).unwrap_or(turn))
}

fn holds(condition: &Condition, before: &[Message]) -> bool {
    let since = before.iter().rposition(|message| message.role == Role::Assistant).map_or(0, |last| last + 1);
    let said = before[since..].iter().filter(|message| message.role == Role::User);
    if let Some(part) = &condition.user_contains
        && !said.clone().any(|message| message.text().contains(part))
    {
        return false;
    }
    if condition.result_contains.is_none() && condition.is_error.is_none() {
        return true;
    }
    let mut results = said.flat_map(|message| &message.blocks).filter(|block| block["type"] == "tool_result");
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
