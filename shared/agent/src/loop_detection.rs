//! Telling when a run goes in circles.
//!
//! The first time it is told so; when it goes on all the same, a person is asked. What a person says is a new beginning.

use std::sync::Arc;

use domain::state::{RecentCall, SessionState};
use domain::{AgentStuck, Author, Conversation, EventBody, UserMessage};

/// A model that was told so within this many calls, and is at it again, does not get out by itself.
const WINDOW: u32 = 20;

/// The same call with the same result so many times in a row.
const SAME: usize = 4;

/// The same call failing so many times in a row.
const SAME_FAILING: usize = 3;

/// Two calls in turn, each with its same result, so many calls in a row.
const ALTERNATING: usize = 6;

/// So many of so many calls in a row failed, whatever they were.
const FAILING: (usize, usize) = (5, 6);

/// So often a run is told; after that it is a person's turn at once.
const MAX_NUDGES: u32 = 3;

/// What is to be done about it.
pub(crate) enum LoopFinding {
    /// The model is told what was seen.
    Tell(String),
    /// It was told and went on: a person is asked.
    Ask(String),
}

/// Whether the run goes in circles.
pub(crate) fn detect(state: &SessionState) -> Option<LoopFinding> {
    let recent = &state.run()?.recent_calls;
    let newest_first: Vec<&RecentCall> = recent.calls.iter().rev().map(Arc::as_ref).collect();
    let reason = seen(&newest_first)?;
    let lately = recent.calls_since_warning.is_some_and(|calls| calls <= WINDOW);
    Some(if lately || recent.warnings >= MAX_NUDGES { LoopFinding::Ask(reason) } else { LoopFinding::Tell(reason) })
}

/// The events that tell the model that it goes in circles, if it is to be told.
pub(crate) fn nudge(state: &SessionState) -> Vec<EventBody> {
    match detect(state) {
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

/// What is wrong with the last calls, newest first, if anything is.
fn seen(recent: &[&RecentCall]) -> Option<String> {
    let last = *recent.first()?;
    let in_a_row = |same: &dyn Fn(&RecentCall) -> bool| recent.iter().take_while(|call| same(call)).count();
    let same = in_a_row(&|call| call.input == last.input && call.output == last.output);
    if same >= SAME {
        return Some(format!("the same call led to the same result {same} times in a row: {}", last.label));
    }
    let failing = in_a_row(&|call| call.input == last.input && call.failed);
    if failing >= SAME_FAILING {
        return Some(format!("the same call failed {failing} times in a row: {}", last.label));
    }
    if let Some(row) = recent.get(..ALTERNATING) {
        let alike = |one: &RecentCall, other: &RecentCall| one.input == other.input && one.output == other.output;
        if !alike(row[0], row[1]) && row.windows(3).all(|three| alike(three[0], three[2])) {
            let (one, other) = (&row[1].label, &row[0].label);
            return Some(format!("two calls take turns without anything changing: {one} and {other}"));
        }
    }
    let (most, of) = FAILING;
    let failed = recent.get(..of)?.iter().filter(|call| call.failed).count();
    (failed >= most).then(|| format!("{failed} of the last {of} calls failed"))
}

#[cfg(test)]
mod tests {
    use domain::{
        CallKey, Event, Limits, MicroDollars, ModelReplied, RunNumber, RunStarted, Seq, StopReason, ToolCall,
        ToolOutcome, ToolResult, TurnNumber, TurnStarted, Usage,
    };

    use super::*;

    /// What was called, what came of it, whether it failed.
    type CallOutcome<'a> = (&'a str, &'a str, bool);

    /// A session whose run has begun.
    fn session() -> SessionState {
        let mut state = SessionState::default();
        let root_span_id = "0123456789abcdef".parse().unwrap();
        add(&mut state, RunStarted { root_span_id, limits: Limits::default(), queued: None });
        state
    }

    /// The calls of a run, one a turn.
    fn call(state: &mut SessionState, calls: &[CallOutcome<'_>]) {
        for (command, output, failed) in calls {
            let (turn, attempt) = state.main.next_call();
            let key = CallKey { conversation: Conversation::Main, turn, attempt };
            add(state, TurnStarted { call: key, up_to: state.tail, model: String::new(), max_tokens: 1 });
            let (stop, usage, cost) = (StopReason::ToolUse, Usage::default(), MicroDollars(0));
            add(state, ModelReplied { call: key, reply: "{}".into(), stop, usage, cost });
            let call = domain::CallId::try_from(format!("call-{turn}")).unwrap();
            let input = serde_json::json!({ "command": command });
            add(state, ToolCall { turn, call: call.clone(), tool: "bash".to_owned(), title: None, input });
            add(state, result(turn, call, output, *failed));
        }
    }

    fn result(turn: TurnNumber, call: domain::CallId, output: &str, failed: bool) -> ToolResult {
        let outcome = if failed { ToolOutcome::Failed } else { ToolOutcome::Ok };
        ToolResult::without_run(turn, call, "bash".to_owned(), outcome, output)
    }

    fn add(state: &mut SessionState, body: impl Into<EventBody>) {
        state.apply(&Event {
            seq: Seq(state.tail.0 + 1),
            at: "2026-11-22T10:00:00Z".parse().unwrap(),
            run: RunNumber(1),
            writer: None,
            trace_id: "0123456789abcdef0123456789abcdef".parse().unwrap(),
            span_id: "0123456789abcdef".parse().unwrap(),
            body: body.into(),
        });
    }

    fn reason(calls: &[CallOutcome<'_>]) -> Option<String> {
        let mut state = session();
        call(&mut state, calls);
        match detect(&state)? {
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
        let tell = |state: &mut SessionState| told("circles".to_owned()).into_iter().for_each(|body| add(state, body));
        let mut state = session();
        call(&mut state, &four);
        tell(&mut state);
        assert!(detect(&state).is_none(), "what was told of is not seen twice");
        let just_told = state.clone();
        call(&mut state, &four);
        assert!(matches!(detect(&state), Some(LoopFinding::Ask(_))));

        let text = "Try another way.".to_owned();
        add(&mut state, UserMessage { conversation: Conversation::Main, author: Author::User, text, answers: None });
        assert!(detect(&state).is_none());
        call(&mut state, &four);
        assert!(matches!(detect(&state), Some(LoopFinding::Tell(_))), "a person's word is a new beginning");

        let mut recovered = just_told;
        let names: Vec<String> = (0..WINDOW).map(|n| n.to_string()).collect();
        let work: Vec<CallOutcome<'_>> = names.iter().map(|name| (name.as_str(), "x", false)).collect();
        call(&mut recovered, &work);
        call(&mut recovered, &four);
        assert!(matches!(detect(&recovered), Some(LoopFinding::Tell(_))));
    }
}
