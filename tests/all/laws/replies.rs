//! Whatever the model replies, the next request is one that the service accepts, and the run ends.

use domain::{ErrorCode, EventBody, Status, UncheckedLimits, UncheckedRequest};
use local::DriveOutcome;
use proptest::prelude::*;
use proptest::test_runner::Config;
use serde_json::{Value, json};

use crate::support::{Home, SessionRun, repository, run_session, script};

/// Turns of a generated run.
const MAX_TURNS: u32 = 8;

/// Steps that a run of so many turns may take: preparation and plan, two steps for each turn, a nudge or a question now and
/// then, and its end.
const MAX_STEPS: usize = 4 * MAX_TURNS as usize;

fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "toolu_[ab]",
        1 => Just("call_t2_1".to_owned()),
        1 => Just(String::new()),
        1 => Just("functions.bash:0".to_owned()),
        1 => "\\PC{1,5}",
        1 => Just("x".repeat(300)),
    ]
}

fn input() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => "[ab]".prop_map(|name| json!({ "command": format!("echo {name} >> a.txt") })),
        1 => Just(json!({ "command": "grep -q nothing a.txt" })),
        1 => Just(json!({ "command": 5, "description": "why" })),
        1 => Just(json!({ "command": ["ls"] })),
        1 => Just(json!("{\"command\": \"echo hi\" \"x\"}")),
        1 => Just(json!("[1, 2]")),
        1 => Just(Value::Null),
    ]
}

fn block() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        6 => Just("bash".to_owned()),
        1 => Just("no_such_tool".to_owned()),
        1 => Just("functions.bash".to_owned()),
        1 => Just(String::new()),
    ];
    prop_oneof![
        2 => prop_oneof![Just(""), Just("\n\n"), Just("Working on it.")].prop_map(|text| json!({ "type": "text", "text": text })),
        4 => (id(), name, input())
            .prop_map(|(id, name, input)| json!({ "type": "tool_use", "id": id, "name": name, "input": input })),
        1 => Just(json!({ "type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {} })),
        1 => Just(json!({ "type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [] })),
    ]
}

fn turn() -> impl Strategy<Value = Value> {
    let stops = [
        "end_turn",
        "max_tokens",
        "stop_sequence",
        "tool_use",
        "pause_turn",
        "refusal",
        "model_context_window_exceeded",
    ];
    let stop = prop_oneof![6 => Just(None), 2 => proptest::sample::select(stops.to_vec()).prop_map(Some)];
    (proptest::option::weighted(0.2, Just("Hm.")), proptest::collection::vec(block(), 0..4), stop)
        .prop_map(|(thinking, content, stop)| json!({ "thinking": thinking, "content": content, "stop": stop }))
}

fn play(turns: &[Value]) -> SessionRun {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let home = Home::new();
        let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
        let limits = UncheckedLimits { max_turns: Some(MAX_TURNS), ..UncheckedLimits::default() };
        let prompt = "Add two.".to_owned();
        let draft = UncheckedRequest { prompt, limits: Some(limits), ..UncheckedRequest::default() };
        let run = run_session(&home, &checkout, draft, &[], &script(turns)).await;
        if run.outcome == DriveOutcome::AwaitingUser {
            let id = run.of_kind("wait.started").pop().unwrap()["sessionId"].as_str().unwrap().to_owned();
            home.run(&["--json", "sessions", "cancel", &id]).expect_code(0);
        }
        run
    })
}

proptest! {
    #![proptest_config(Config { cases: 12, max_shrink_iters: 40, ..Config::default() })]

    #[test]
    fn every_reply_can_be_sent_back_and_every_run_ends(turns in proptest::collection::vec(turn(), 1..7)) {
        let run = play(&turns);
        let ended = match &run.outcome {
            DriveOutcome::AwaitingUser => true,
            DriveOutcome::Ended(status) => status.is_terminal(),
            _ => false,
        };
        prop_assert!(ended, "{:?}", run.outcome);
        let errors: Vec<(ErrorCode, String)> = run.events.iter().filter_map(|event| match &event.body {
            EventBody::SessionError(failed) => Some((failed.code, failed.message.clone())),
            _ => None,
        }).collect();
        for (code, message) in &errors {
            let ours = [ErrorCode::ModelRefusal, ErrorCode::ModelGaveNoAnswer, ErrorCode::ContextExhausted];
            prop_assert!(ours.contains(code), "{code:?}: {message}");
        }
        prop_assert_eq!(run.outcome == DriveOutcome::Ended(Status::Failed), !errors.is_empty());
        let steps = run.events.iter().filter(|event| matches!(event.body, EventBody::StepStarted(_))).count();
        prop_assert!(steps <= MAX_STEPS, "{steps} steps for {} requests", run.requests.len());
    }
}
