//! Telling when a run goes in circles.
//!
//! The first time it is told so; when it goes on all the same, a person is asked. What a person says is a new beginning.

use domain::{AgentStuck, Author, Conversation, Digest256, Event, EventBody, Payload, Seq, ToolOutcome, UserMessage};

/// So many calls are looked at.
const WINDOW: usize = 20;

/// The same call with the same result so many times in a row.
const SAME: usize = 4;

/// The same call failing so many times in a row.
const SAME_FAILING: usize = 3;

/// Two calls in turn, each with its same result, so many calls in a row.
const ALTERNATING: usize = 6;

/// So many of so many calls in a row failed, whatever they were.
const FAILING: (usize, usize) = (5, 6);

/// So often a run is told; after that it is a person's turn at once.
const MOST_NUDGES: usize = 3;

/// What is to be done about it.
pub(crate) enum Circle {
    /// The model is told what was seen.
    Tell(String),
    /// It was told and went on: a person is asked.
    Ask(String),
}

/// A call with its result.
struct Done {
    call: String,
    output: Digest256,
    failed: bool,
}

/// Whether the run goes in circles.
pub(crate) fn circle(events: &[Event]) -> Option<Circle> {
    let (mut told, mut nudges) = (Seq(0), 0);
    let mut fresh = Seq(0);
    for event in events {
        match &event.body {
            EventBody::AgentStuck(_) => {
                told = event.seq;
                nudges += 1;
            }
            EventBody::UserMessage(message) if message.author == Author::User => {
                (told, fresh, nudges) = (Seq(0), event.seq, 0);
            }
            EventBody::RunStarted(_) => (told, fresh, nudges) = (Seq(0), event.seq, 0),
            _ => {}
        }
    }
    let reason = seen(&recent(events, fresh.max(told)))?;
    let lately = told > Seq(0) && answered_since(events, told) <= WINDOW;
    Some(if lately || nudges >= MOST_NUDGES { Circle::Ask(reason) } else { Circle::Tell(reason) })
}

/// The events that tell the model that it goes in circles, if it is to be told.
pub(crate) fn nudge(events: &[Event]) -> Vec<EventBody> {
    match circle(events) {
        Some(Circle::Tell(reason)) => told(reason),
        Some(Circle::Ask(_)) | None => Vec::new(),
    }
}

/// The event and the words for what was seen.
pub(crate) fn told(reason: String) -> Vec<EventBody> {
    let text = format!(
        "You are going in circles: {reason}. Repeating it will not help. Step back, look at what the results say, and \
         try another way; if there is none, say so at the end instead of trying on."
    );
    vec![
        AgentStuck { reason }.into(),
        UserMessage { conversation: Conversation::Main, author: Author::Nudge, text, answers: None }.into(),
    ]
}

fn answered_since(events: &[Event], after: Seq) -> usize {
    let later = events.iter().rev().take_while(|event| event.seq > after);
    later.filter(|event| matches!(event.body, EventBody::ToolAnswered(_))).count()
}

/// The last calls with their results, newest first.
fn recent(events: &[Event], after: Seq) -> Vec<Done> {
    let mut done = Vec::new();
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
        let failed = answered.outcome != ToolOutcome::Ok;
        done.push(Done { call: call.unwrap_or_default(), output, failed });
        if done.len() == WINDOW {
            break;
        }
    }
    done
}

/// What is wrong with the last calls, newest first, if anything is.
fn seen(recent: &[Done]) -> Option<String> {
    let last = recent.first()?;
    let named = |done: &Done| done.call.chars().take(120).collect::<String>();
    let in_a_row = |same: &dyn Fn(&Done) -> bool| recent.iter().take_while(|done| same(done)).count();
    let same = in_a_row(&|done| done.call == last.call && done.output == last.output);
    if same >= SAME {
        return Some(format!("the same call led to the same result {same} times in a row: {}", named(last)));
    }
    let failing = in_a_row(&|done| done.call == last.call && done.failed);
    if failing >= SAME_FAILING {
        return Some(format!("the same call failed {failing} times in a row: {}", named(last)));
    }
    if let Some(row) = recent.get(..ALTERNATING) {
        let alike = |one: &Done, other: &Done| one.call == other.call && one.output == other.output;
        if !alike(&row[0], &row[1]) && row.windows(3).all(|three| alike(&three[0], &three[2])) {
            let (one, other) = (named(&row[1]), named(&row[0]));
            return Some(format!("two calls take turns without anything changing: {one} and {other}"));
        }
    }
    let (most, of) = FAILING;
    let failed = recent.get(..of)?.iter().filter(|done| done.failed).count();
    (failed >= most).then(|| format!("{failed} of the last {of} calls failed"))
}
