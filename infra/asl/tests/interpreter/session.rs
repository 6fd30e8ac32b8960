//! Runs the deployed definition with scripted verdicts.

use std::{collections::BTreeSet, sync::Arc};

use asl::{End, Failure, StateKind, StateMachine, TaskAnswer};
use serde_json::{Value, json};

use crate::support::{Act, Reply, World, error, succeeded};

const TASKS: [&str; 8] = ["Prepare", "Plan", "GenerateTurn", "ExecuteTool", "Verify", "AwaitUser", "OpenPr", "Finish"];

fn session() -> StateMachine {
    let text = include_str!("../../../statemachine/session.asl.json");
    StateMachine::parse(text, |name| name.strip_suffix("Function").map(str::to_owned))
        .unwrap_or_else(|errors| panic!("{errors:#?}"))
}

fn input() -> Value {
    json!({ "sessionId": "s", "run": 1 })
}

fn verdict(word: &str) -> Act {
    Act::Return(json!({ "verdict": word }))
}

fn verdicts(words: &[&str]) -> Vec<Act> {
    words.iter().map(|word| verdict(word)).collect()
}

/// The state that Finish received, and the end of the run.
fn run(world: &Arc<World>) -> (Value, Result<End, asl::RunError>) {
    let end = world.run(&session(), input());
    let calls = world.calls.lock().unwrap();
    let finish = calls.iter().rfind(|call| call.state == "Finish").expect("Finish is always called");
    (finish.input["state"].clone(), end)
}

#[test]
fn every_task_is_named_after_its_function_and_has_limits() {
    let machine = session();
    let tasks: Vec<_> = machine.states().filter(|state| state.kind() == StateKind::Task).collect();
    assert_eq!(tasks.iter().map(|state| state.name()).collect::<Vec<_>>(), TASKS);
    for state in tasks {
        let task = state.task().unwrap();
        assert_eq!(task.resource(), format!("${{{}Function}}", state.name()));
        assert_eq!(task.timeout().is_none(), state.name() == "AwaitUser");
        assert_eq!(task.retries()[0].max_attempts(), 0);
        assert!(!task.retries()[0].error_equals().is_empty());
        assert_eq!(task.retries().last().unwrap().error_equals(), ["States.ALL"]);
        let caught: Vec<_> = task.catches().iter().map(|catch| catch.next()).collect();
        let expected: &[&str] = match state.name() {
            "Finish" => &[],
            "OpenPr" => &["Finish"],
            "AwaitUser" => &["OpenPr", "Rescue"],
            _ => &["Rescue"],
        };
        assert_eq!(caught, expected, "{}", state.name());
    }
    assert_eq!(machine.timeout().unwrap().as_secs(), 14 * 24 * 60 * 60);
}

#[test]
fn a_run_goes_from_prepare_to_done() {
    let world = World::new([
        ("Prepare", verdicts(&["prepare", "plan"])),
        ("Plan", verdicts(&["turn"])),
        ("GenerateTurn", verdicts(&["tools", "verify"])),
        ("Verify", verdicts(&["publish"])),
        ("ExecuteTool", verdicts(&["turn"])),
        ("OpenPr", verdicts(&["publish", "done"])),
        ("Finish", verdicts(&["done"])),
    ]);
    let (state, end) = run(&world);
    assert_eq!(
        world.called(),
        [
            "Prepare",
            "Prepare",
            "Plan",
            "GenerateTurn",
            "ExecuteTool",
            "GenerateTurn",
            "Verify",
            "OpenPr",
            "OpenPr",
            "Finish",
        ]
    );
    assert_eq!(state["last"], json!({ "verdict": "done" }));
    assert_eq!(end.unwrap(), succeeded(json!({ "sessionId": "s", "run": 1, "last": { "verdict": "done" } })));
    let calls = world.calls.lock().unwrap();
    assert_eq!(calls[0].resource, "Prepare");
    assert!(calls.iter().all(|call| call.input["entered"].as_str().is_some_and(|time| time.ends_with('Z'))));
    assert_eq!(calls[2].input, json!({ "sessionId": "s", "run": 1, "entered": calls[2].input["entered"], "retry": 0 }));
}

#[test]
fn a_wait_returns_to_the_step_that_asked_for_it() {
    let steps = [
        ("prepare", "Prepare"),
        ("plan", "Plan"),
        ("turn", "GenerateTurn"),
        ("tools", "ExecuteTool"),
        ("verify", "Verify"),
        ("publish", "OpenPr"),
    ];
    for (then, step) in steps {
        let wait = Act::Return(json!({ "verdict": "wait", "waitSeconds": 30, "then": then }));
        let mut acts = vec![wait.clone(), verdict("nothing")];
        if step == "Prepare" {
            acts.insert(0, wait);
        }
        let world = World::new([("Prepare", vec![verdict(then)]), ("Finish", verdicts(&["nothing"])), (step, acts)]);
        let (_, end) = run(&world);
        assert!(matches!(end.unwrap(), End::Succeeded { .. }));
        let waits = if step == "Prepare" { 2 } else { 1 };
        assert_eq!(
            (world.elapsed(), world.called().iter().filter(|name| *name == step).count()),
            (30 * waits, waits as usize + 1)
        );
    }
}

#[test]
fn every_verdict_that_ends_a_run_goes_to_finish() {
    for verdict in ["done", "nothing", "rejected", "expired", "cancelled", "failed"] {
        let world = World::new([("Prepare", verdicts(&[verdict])), ("Finish", verdicts(&[verdict]))]);
        let (state, end) = run(&world);
        assert_eq!(
            (world.called(), &state["last"]["verdict"]),
            (vec!["Prepare".to_owned(), "Finish".to_owned()], &json!(verdict))
        );
        if verdict == "failed" {
            assert_eq!(error(end), "SessionFailed");
        } else {
            assert!(matches!(end.unwrap(), End::Succeeded { .. }));
        }
    }
}

#[test]
fn after_a_terminal_error_the_work_is_published_at_once_and_the_run_fails() {
    let machine = session();
    let codes = machine.state("Prepare").unwrap().task().unwrap().retries()[0].error_equals().to_vec();
    for code in codes {
        let code: &'static str = code.leak();
        let world = World::new([
            ("Prepare", verdicts(&["turn"])),
            ("GenerateTurn", vec![Act::Fail(code)]),
            ("OpenPr", verdicts(&["failed"])),
            ("Finish", verdicts(&["failed"])),
        ]);
        let (state, end) = run(&world);
        assert_eq!(world.called(), ["Prepare", "GenerateTurn", "OpenPr", "Finish"]);
        assert_eq!(world.calls.lock().unwrap()[2].input["state"]["last"]["verdict"], "failed", "OpenPr is told");
        assert_eq!((&state["error"]["Error"], world.elapsed()), (&json!(code), 0));
        assert_eq!(error(end), "SessionFailed");
    }
}

#[test]
fn an_outage_of_ten_minutes_ends_no_run() {
    for error in ["Unavailable", "Throttled", "Lambda.TooManyRequestsException"] {
        let mut acts = vec![Act::Fail(error); 45];
        acts.push(verdict("done"));
        let world = World::new([("Prepare", acts), ("Finish", verdicts(&["done"]))]);
        let (state, _) = run(&world);
        assert_eq!(state["last"], json!({ "verdict": "done" }), "{error}");
        // The random fraction alternates between 0 and one half here: a quarter of each delay. Full jitter takes half of it.
        assert!(world.elapsed() * 2 > 900, "{error}: gives up after {} s", world.elapsed() * 2);
    }
}

#[test]
fn any_other_error_is_retried_six_times() {
    let acts = |fails: usize| {
        let mut acts = vec![Act::Fail("ModelOverloaded"); fails];
        acts.push(verdict("done"));
        [("Prepare", acts), ("OpenPr", verdicts(&["failed"])), ("Finish", verdicts(&["done"]))]
    };
    let world = World::new(acts(6));
    let (state, _) = run(&world);
    assert_eq!(state["last"], json!({ "verdict": "done" }));
    let retries: Vec<_> = world.calls.lock().unwrap().iter().map(|call| call.input["retry"].clone()).collect();
    assert_eq!(retries, [0, 1, 2, 3, 4, 5, 6, 0]);
    // The random fraction alternates between 0 and one half of 2, 4, 8, 16, 32 and 60 seconds.
    assert_eq!(*world.sleeps.lock().unwrap(), [2, 8, 30]);

    let (state, _) = run(&World::new(acts(7)));
    assert_eq!(state["error"]["Error"], "ModelOverloaded");
}

fn awaiting() -> [(&'static str, Vec<Act>); 5] {
    [
        ("Prepare", vec![Act::Return(json!({ "verdict": "await", "timeoutSeconds": 600 }))]),
        ("AwaitUser", vec![Act::Return(json!(null))]),
        ("GenerateTurn", verdicts(&["nothing"])),
        ("OpenPr", verdicts(&["expired"])),
        ("Finish", verdicts(&["expired"])),
    ]
}

#[test]
fn a_users_answer_is_a_verdict_like_any_other() {
    let answer = TaskAnswer::Success { output: json!({ "verdict": "turn" }) };
    let world = World::new(awaiting()).replies([Reply::Answer(answer)]);
    run(&world).1.unwrap();
    assert_eq!(world.called(), ["Prepare", "AwaitUser", "GenerateTurn", "Finish"]);
}

#[test]
fn a_user_who_does_not_answer_leads_to_the_pull_request() {
    let world = World::new(awaiting()).replies([Reply::Never]);
    let (state, end) = run(&world);
    assert_eq!(world.called(), ["Prepare", "AwaitUser", "OpenPr", "Finish"]);
    assert_eq!((&state["error"]["Error"], world.elapsed()), (&json!("States.Timeout"), 600));
    assert!(matches!(end.unwrap(), End::Succeeded { .. }));
}

#[test]
fn after_a_failed_await_the_work_is_published() {
    let stale = TaskAnswer::Failure(Failure::new("Stale", "a newer attempt is at work"));
    let world = World::new(awaiting()).replies([Reply::Answer(stale)]);
    run(&world).1.unwrap();
    assert_eq!(world.called(), ["Prepare", "AwaitUser", "OpenPr", "Finish"]);
}

#[test]
fn finish_is_retried_and_has_no_catch() {
    let world = World::new([
        ("Prepare", verdicts(&["done"])),
        ("Finish", vec![Act::Fail("Throttled"), Act::Hang, verdict("done")]),
    ]);
    let (_, end) = run(&world);
    assert!(matches!(end.unwrap(), End::Succeeded { .. }));
    let world = World::new([("Prepare", verdicts(&["done"])), ("Finish", vec![Act::Fail("LogCorrupt")])]);
    assert_eq!(error(run(&world).1), "LogCorrupt");
}

#[test]
fn verdict_and_resume_lead_to_every_task() {
    let machine = session();
    let choices: BTreeSet<_> = ["Verdict", "Resume"]
        .into_iter()
        .flat_map(|choice| machine.state(choice).unwrap().targets())
        .map(|(_, target)| target)
        .collect();
    let expected = BTreeSet::from_iter(TASKS.into_iter().chain(["Wait"]));
    assert_eq!(choices, expected);
}
