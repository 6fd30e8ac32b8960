//! Telling when a run goes in circles.
//!
//! The first time it is told so; when it goes on all the same, a person is asked. What a person says is a new beginning.

use domain::text::shorten;
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
const MAX_NUDGES: usize = 3;

/// What is to be done about it.
pub(crate) enum LoopFinding {
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
pub(crate) fn detect(events: &[Event]) -> Option<LoopFinding> {
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
    Some(if lately || nudges >= MAX_NUDGES { LoopFinding::Ask(reason) } else { LoopFinding::Tell(reason) })
}

/// The events that tell the model that it goes in circles, if it is to be told.
pub(crate) fn nudge(events: &[Event]) -> Vec<EventBody> {
    match detect(events) {
        Some(LoopFinding::Tell(reason)) => told(reason),
        Some(LoopFinding::Ask(_)) | None => Vec::new(),
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
    later.filter(|event| matches!(event.body, EventBody::ToolResult(_))).count()
}

/// The last calls with their results, newest first.
fn recent(events: &[Event], after: Seq) -> Vec<Done> {
    let mut done = Vec::new();
    for event in events.iter().rev().take_while(|event| event.seq > after) {
        let EventBody::ToolResult(answered) = &event.body else { continue };
        let call = events.iter().rev().find_map(|earlier| match &earlier.body {
            EventBody::ToolCall(called) if called.call == answered.call && called.turn == answered.turn => {
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
    let named = |done: &Done| shorten(&done.call, 120).into_owned();
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

#[cfg(test)]
mod tests {
    use domain::{RunNumber, ToolCall, ToolResult, TurnNumber};

    use super::*;

    /// What was called, what came of it, whether it failed.
    type CallOutcome<'a> = (&'a str, &'a str, bool);

    /// A log of calls, one a turn.
    fn event_log(calls: &[CallOutcome<'_>]) -> Vec<Event> {
        let mut events = Vec::new();
        for (number, (command, output, failed)) in (1..).zip(calls) {
            let (turn, call) = (TurnNumber(number), domain::CallId::try_from(format!("call-{number}")).unwrap());
            let input = serde_json::json!({ "command": command });
            add(&mut events, ToolCall { turn, call: call.clone(), tool: "bash".to_owned(), input });
            let outcome = if *failed { ToolOutcome::Failed } else { ToolOutcome::Ok };
            add(&mut events, ToolResult::without_run(turn, call, "bash".to_owned(), outcome, output));
        }
        events
    }

    fn add(events: &mut Vec<Event>, body: impl Into<EventBody>) {
        events.push(Event {
            seq: Seq(events.len() as u64 + 1),
            at: "2026-11-22T10:00:00Z".parse().unwrap(),
            run: RunNumber(1),
            writer: None,
            trace_id: "0123456789abcdef0123456789abcdef".parse().unwrap(),
            span_id: "0123456789abcdef".parse().unwrap(),
            body: body.into(),
        });
    }

    fn reason(calls: &[CallOutcome<'_>]) -> Option<String> {
        match detect(&event_log(calls))? {
            LoopFinding::Tell(reason) => Some(reason),
            LoopFinding::Ask(reason) => panic!("asked at once: {reason}"),
        }
    }

    #[test]
    fn each_kind_of_circle_is_seen_at_its_length_and_not_before() {
        let ok = |call: &'static str| (call, call, false);
        let circles: [(Vec<CallOutcome<'_>>, &str); 4] = [
            (vec![ok("ls"); 4], "the same call led to the same result 4 times in a row"),
            (
                vec![("make", "error 1", true), ("make", "error 2", true), ("make", "error 3", true)],
                "the same call failed 3",
            ),
            (vec![ok("a"), ok("b"), ok("a"), ok("b"), ok("a"), ok("b")], "two calls take turns"),
            (
                vec![
                    ("1", "x", true),
                    ("2", "x", true),
                    ("3", "x", false),
                    ("4", "x", true),
                    ("5", "x", true),
                    ("6", "x", true),
                ],
                "5 of the last 6 calls failed",
            ),
        ];
        for (calls, words) in circles {
            assert!(reason(&calls).is_some_and(|reason| reason.starts_with(words)), "{words}");
            assert_eq!(reason(&calls[1..]), None, "one call fewer is none: {words}");
        }
    }

    #[test]
    fn work_that_moves_on_is_no_circle() {
        let mut calls: Vec<CallOutcome<'_>> = Vec::new();
        for n in ["1", "2", "3", "4", "5"] {
            calls.extend([(n, "ok", false), ("test", n, true)]);
        }
        assert_eq!(reason(&calls), None, "editing and testing in turn");
        let polls: Vec<CallOutcome<'_>> = ["1", "2", "3", "4", "5"].map(|seen| ("tail log", seen, false)).to_vec();
        assert_eq!(reason(&polls), None, "the same call with ever new results");
    }

    #[test]
    fn who_was_told_and_goes_on_is_for_a_person_and_who_recovered_is_told_again() {
        let four = [("ls", "x", false); 4];
        let mut events = event_log(&four);
        for body in told("circles".to_owned()) {
            add(&mut events, body);
        }
        assert!(detect(&events).is_none(), "what was told of is not seen twice");
        for event in event_log(&four) {
            add(&mut events, event.body);
        }
        assert!(matches!(detect(&events), Some(LoopFinding::Ask(_))));

        let message = |text: &str| UserMessage {
            conversation: Conversation::Main,
            author: Author::User,
            text: text.to_owned(),
            answers: None,
        };
        let mut helped = events.clone();
        add(&mut helped, message("Try another way."));
        assert!(detect(&helped).is_none());
        for event in event_log(&four) {
            add(&mut helped, event.body);
        }
        assert!(matches!(detect(&helped), Some(LoopFinding::Tell(_))), "a person's word is a new beginning");

        let mut recovered = event_log(&four);
        for body in told("circles".to_owned()) {
            add(&mut recovered, body);
        }
        let names: Vec<String> = (0..WINDOW).map(|n| n.to_string()).collect();
        let work: Vec<CallOutcome<'_>> = names.iter().map(|name| (name.as_str(), "x", false)).collect();
        for event in event_log(&work).into_iter().chain(event_log(&four)) {
            add(&mut recovered, event.body);
        }
        assert!(matches!(detect(&recovered), Some(LoopFinding::Tell(_))));
    }
}
