//! Detects that the model repeats itself without making progress.
//!
//! The model is nudged first. If it continues to repeat itself, the user is asked. The user's answer ends the detected loop:
//! it is new information, so only calls after it count.

use std::sync::Arc;

use domain::state::{RecentCall, SessionState};
use domain::{AgentStuck, Author, Conversation, EventBody, UserMessage};

/// A loop within this many calls after a nudge is the same loop: the nudge did not help, and the user is asked.
const NUDGE_WINDOW: u32 = 20;

/// Identical calls with identical results in a row that are a loop.
const REPEATED_CALLS: usize = 4;

/// Identical calls in a row that are a loop when all of them fail, whatever their results.
const REPEATED_FAILURES: usize = 3;

/// Calls in a row that are a loop when two calls alternate in them, each with an unchanged result.
const ALTERNATING_CALLS: usize = 6;

/// Failures among the last [`FAILURE_WINDOW`] calls that are a loop, whatever the calls were.
const FAILURES: usize = 5;

const FAILURE_WINDOW: usize = 6;

/// Maximum nudges between two messages of the user. After that a loop is a question to the user at once.
const MAX_NUDGES: u32 = 3;

/// What to do about a detected loop, with the reason as a clause without a full stop.
pub(crate) enum LoopFinding {
    NudgeModel(String),
    AskUser(String),
}

pub(crate) fn detect(state: &SessionState) -> Option<LoopFinding> {
    let recent = &state.run()?.recent_calls;
    let newest_first: Vec<&RecentCall> = recent.calls.iter().rev().map(Arc::as_ref).collect();
    let reason = loop_reason(&newest_first)?;
    let was_nudged = recent.calls_since_warning.is_some_and(|calls| calls <= NUDGE_WINDOW);
    Some(if was_nudged || recent.warnings >= MAX_NUDGES {
        LoopFinding::AskUser(reason)
    } else {
        LoopFinding::NudgeModel(reason)
    })
}

/// The nudge as events, if the model repeats itself and was not nudged about it yet.
pub(crate) fn nudge_if_looping(state: &SessionState) -> Vec<EventBody> {
    match detect(state) {
        Some(LoopFinding::NudgeModel(reason)) => nudge(reason),
        Some(LoopFinding::AskUser(_)) | None => Vec::new(),
    }
}

/// The events that record a loop and tell the model about it.
pub(crate) fn nudge(reason: String) -> Vec<EventBody> {
    let text = format!(
        "You are repeating yourself: {reason}. Repeating it will not help. Reread the results and try a different \
         approach. If there is none, stop trying and say so at the end."
    );
    vec![
        AgentStuck { reason }.into(),
        UserMessage { conversation: Conversation::Main, author: Author::Nudge, text, answers: None }.into(),
    ]
}

/// Why the calls are a loop, if they are. They come newest first.
fn loop_reason(recent: &[&RecentCall]) -> Option<String> {
    let last = *recent.first()?;
    let in_a_row = |same: &dyn Fn(&RecentCall) -> bool| recent.iter().take_while(|call| same(call)).count();
    let same = in_a_row(&|call| call.input == last.input && call.output == last.output);
    if same >= REPEATED_CALLS {
        return Some(format!("the same call had the same result {same} times in a row: {}", last.label));
    }
    let failing = in_a_row(&|call| call.input == last.input && call.failed);
    if failing >= REPEATED_FAILURES {
        return Some(format!("the same call failed {failing} times in a row: {}", last.label));
    }
    if let Some(row) = recent.get(..ALTERNATING_CALLS) {
        let alike = |one: &RecentCall, other: &RecentCall| one.input == other.input && one.output == other.output;
        if !alike(row[0], row[1]) && row.windows(3).all(|three| alike(three[0], three[2])) {
            let (one, other) = (&row[1].label, &row[0].label);
            return Some(format!("two calls alternate with unchanged results: {one} and {other}"));
        }
    }
    let failed = recent.get(..FAILURE_WINDOW)?.iter().filter(|call| call.failed).count();
    (failed >= FAILURES).then(|| format!("{failed} of the last {FAILURE_WINDOW} calls failed"))
}

#[cfg(test)]
mod tests {
    use domain::{
        CallKey, Event, Limits, MicroDollars, ModelReplied, RunNumber, RunStarted, Seq, StopReason, ToolCall,
        ToolOutcome, ToolResult, ToolStarted, TurnNumber, TurnStarted, Usage,
    };

    use super::*;

    /// The results of calls whose input cannot be read begin with this.
    const UNREAD: &str = "the input";

    /// Command, output, whether it failed.
    type CallOutcome<'a> = (&'a str, &'a str, bool);

    fn running_session() -> SessionState {
        let mut state = SessionState::default();
        let root_span_id = "0123456789abcdef".parse().unwrap();
        add(&mut state, RunStarted { root_span_id, limits: Limits::default(), queued: None });
        state
    }

    /// Adds calls to the run, one per turn.
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
            let (attempt, sandbox) = (domain::Attempt(1), "s-1-1".parse().unwrap());
            if !output.starts_with(UNREAD) {
                add(state, ToolStarted { turn, call: call.clone(), attempt, sandbox });
            }
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
            command: None,
            trace_id: "0123456789abcdef0123456789abcdef".parse().unwrap(),
            span_id: "0123456789abcdef".parse().unwrap(),
            body: body.into(),
        });
    }

    fn reason(calls: &[CallOutcome<'_>]) -> Option<String> {
        let mut state = running_session();
        call(&mut state, calls);
        match detect(&state)? {
            LoopFinding::NudgeModel(reason) => Some(reason),
            LoopFinding::AskUser(reason) => panic!("the user is asked at once: {reason}"),
        }
    }

    #[test]
    fn each_kind_of_loop_is_detected_at_its_length_and_not_before() {
        let ok = |call: &'static str| (call, call, false);
        let loops: [(Vec<CallOutcome<'_>>, &str); 4] = [
            (vec![ok("ls"); 4], "the same call had the same result 4 times in a row"),
            (
                vec![("make", "error 1", true), ("make", "error 2", true), ("make", "error 3", true)],
                "the same call failed 3",
            ),
            (vec![ok("a"), ok("b"), ok("a"), ok("b"), ok("a"), ok("b")], "two calls alternate"),
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
        for (calls, words) in loops {
            assert!(reason(&calls).is_some_and(|reason| reason.starts_with(words)), "{words}");
            assert_eq!(reason(&calls[1..]), None, "one call fewer is no loop: {words}");
        }
    }

    #[test]
    fn work_that_makes_progress_is_no_loop() {
        let mut calls: Vec<CallOutcome<'_>> = Vec::new();
        for n in ["1", "2", "3", "4", "5"] {
            calls.extend([(n, "ok", false), ("test", n, true)]);
        }
        assert_eq!(reason(&calls), None, "alternating edits and tests");
        let polls: Vec<CallOutcome<'_>> = ["1", "2", "3", "4", "5"].map(|output| ("tail log", output, false)).to_vec();
        assert_eq!(reason(&polls), None, "the same call with a new result each time");
    }

    #[test]
    fn calls_that_cannot_be_read_are_a_loop_only_when_they_are_the_same() {
        let names: Vec<String> = (0..12).map(|n| n.to_string()).collect();
        let unread: Vec<CallOutcome<'_>> =
            names.iter().map(|name| (name.as_str(), "the input is invalid", true)).collect();
        assert_eq!(reason(&unread), None);
        let same = reason(&[("ls", "the input is invalid", true); 4]);
        assert!(same.is_some_and(|reason| reason.starts_with("the same call had the same result 4 times")));
    }

    #[test]
    fn a_loop_after_a_nudge_asks_the_user_and_one_after_progress_nudges_again() {
        let four = [("ls", "x", false); 4];
        let nudge = |state: &mut SessionState| nudge("a loop".to_owned()).into_iter().for_each(|body| add(state, body));
        let mut state = running_session();
        call(&mut state, &four);
        nudge(&mut state);
        assert!(detect(&state).is_none(), "calls before a nudge count once");
        let just_nudged = state.clone();
        call(&mut state, &four);
        assert!(matches!(detect(&state), Some(LoopFinding::AskUser(_))));

        let text = "Try another way.".to_owned();
        add(&mut state, UserMessage { conversation: Conversation::Main, author: Author::User, text, answers: None });
        assert!(detect(&state).is_none());
        call(&mut state, &four);
        assert!(matches!(detect(&state), Some(LoopFinding::NudgeModel(_))), "the user's message ends the loop");

        let mut recovered = just_nudged;
        let names: Vec<String> = (0..NUDGE_WINDOW).map(|n| n.to_string()).collect();
        let work: Vec<CallOutcome<'_>> = names.iter().map(|name| (name.as_str(), "x", false)).collect();
        call(&mut recovered, &work);
        call(&mut recovered, &four);
        assert!(matches!(detect(&recovered), Some(LoopFinding::NudgeModel(_))));
    }
}
