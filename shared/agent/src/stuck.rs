//! Telling when a run goes in circles.

use domain::state::SessionState;
use domain::{AgentStuck, Author, Conversation, Digest256, Event, EventBody, Payload, Seq, UserMessage};

/// The same call with the same result so many times in a row is a circle.
const CIRCLE: usize = 4;

/// What the last calls and their results were, newest first, since `after`.
fn recent(events: &[Event], after: Seq) -> Vec<(String, Digest256)> {
    let mut results = Vec::new();
    for event in events.iter().rev().take_while(|event| event.seq > after) {
        let EventBody::ToolAnswered(answered) = &event.body else { continue };
        let call = events.iter().rev().find_map(|earlier| match &earlier.body {
            EventBody::ToolCalled(called) if called.call == answered.call && called.turn == answered.turn => {
                Some(format!("{} {}", called.tool, called.input))
            }
            _ => None,
        });
        let output = match &answered.output {
            Payload::Inline(text) => Digest256::of(text.as_bytes()),
            Payload::Stored(blob) => blob.sha256.clone(),
        };
        results.push((call.unwrap_or_default(), output));
        if results.len() == CIRCLE {
            break;
        }
    }
    results
}

fn circle(events: &[Event], after: Seq) -> Option<String> {
    let recent = recent(events, after);
    let first = recent.first()?;
    let same = recent.len() == CIRCLE && recent.iter().all(|other| other == first);
    same.then(|| {
        let call: String = first.0.chars().take(120).collect();
        format!("the same call led to the same result {CIRCLE} times in a row: {call}")
    })
}

/// The events that tell the model that it goes in circles, if it does and was not told since.
pub(crate) fn nudge(state: &SessionState, events: &[Event]) -> Vec<EventBody> {
    if state.run().is_some_and(|run| run.stuck > 0) {
        return Vec::new();
    }
    let Some(reason) = circle(events, Seq(0)) else { return Vec::new() };
    let text = format!(
        "You are going in circles: {reason}. Repeating it will not help. Step back, look at what the result says, and \
         try another way; if there is none, say so at the end instead of trying on."
    );
    vec![
        AgentStuck { reason }.into(),
        UserMessage { conversation: Conversation::Main, author: Author::Nudge, text, answers: None }.into(),
    ]
}

/// Why a person has to help: it went on in circles after it was told.
pub(crate) fn helpless(state: &SessionState, events: &[Event]) -> Option<String> {
    if state.run()?.stuck == 0 {
        return None;
    }
    let told = events.iter().rev().find_map(|event| match &event.body {
        EventBody::AgentStuck(_) => Some(event.seq),
        // A person has spoken since: it gets another chance.
        EventBody::UserMessage(message) if message.author == Author::User => Some(event.seq),
        _ => None,
    })?;
    circle(events, told)
}
