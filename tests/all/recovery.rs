//! Processes die at any moment; their sessions are resumed.

use serde_json::{Value, json};

use crate::support::{Home, ProgramOutput, bash, ends, git, repository, script};

/// Starts a session and kills the program at the first event for which `is_last` holds. Returns the session's id.
pub(crate) fn kill_at(home: &Home, script: &Value, mut is_last: impl FnMut(&Value) -> bool) -> String {
    let checkout = repository(home, "project", &[("a.txt", "one\n")]);
    let mut program = home.start_code(&checkout, "Add.", script);
    let last = program.find(|event| is_last(event)).expect("the event never came");
    program.kill();
    last["sessionId"].as_str().unwrap().to_owned()
}

/// Resumes a session with the script that it was started with.
pub(crate) fn resume(home: &Home, session: &str) -> ProgramOutput {
    home.sessions(&["resume", session])
}

/// The content of `a.txt` on the branch that a session published.
pub(crate) fn published(home: &Home, session: &str) -> String {
    home.events(session).branch().file("a.txt")
}

#[test]
fn a_session_killed_after_any_kind_of_event_ends_in_the_same_change() {
    let kinds = [
        "run.started",
        "sandbox.created",
        "git.operation",
        "sandbox.attached",
        "repository.surveyed",
        "plan.created",
        "turn.started",
        "model.replied",
        "tool.started",
        "tool.result",
        "workspace.checkpoint",
        "changeset.collected",
        "publish.started",
        "branch.published",
        "pr.opened",
        "run.finished",
    ];
    for kind in kinds {
        let home = Home::new();
        // Running one of these commands twice would show in the file.
        let turns = [bash("echo two >> a.txt"), bash("echo three >> a.txt"), ends()];
        let session = kill_at(&home, &script(&turns), |event| event["kind"] == kind);
        assert_eq!(home.processes(), Vec::<String>::new(), "killed at {kind}");
        let run = resume(&home, &session);
        assert_eq!(run.code, 0, "killed at {kind}: {}\n{}", run.stdout, run.stderr);
        let events = home.events(&session);
        assert_eq!(events.of_kind("run.finished").len(), 1, "killed at {kind}");
        assert_eq!(events.of_kind("pr.opened").len(), 1, "killed at {kind}");
        assert_eq!(events.values().pop().unwrap()["kind"], "sandbox.terminated", "killed at {kind}");
        let listed = home.run(&["--json", "sessions", "list"]).values();
        assert_eq!(listed[0]["status"], "done", "killed at {kind}");
        // A command whose end was not recorded is reported to the model as cut off and is not run again.
        let cut_off = events.of_kind("tool.result").iter().filter(|result| result["outcome"] == "cut_off").count();
        let lines = published(&home, &session);
        if cut_off == 0 {
            assert_eq!(lines, "one\ntwo\nthree", "killed at {kind}");
        } else {
            assert_eq!(kind, "tool.started", "cut off");
            assert!(["one\ntwo\nthree", "one\nthree"].contains(&lines.as_str()), "{lines}");
        }
    }
}

#[test]
fn the_model_reads_that_the_death_of_the_process_cut_a_command_off() {
    let home = Home::new();
    let reacts = json!({
        "text": "It came to its end.",
        "when": [{
            "if": { "resultContains": "cut off" },
            "text": "It was cut off; I look first.",
            "tools": [{ "name": "bash", "input": { "command": "cat begun.txt" } }],
        }],
    });
    let again = json!({ "label": "again", "text": "Again.", "tools": [{ "name": "bash", "input": { "command": "echo two >> a.txt" } }] });
    let turns = [bash("echo begun >> begun.txt; sleep 1000"), reacts, again, ends()];
    let session = kill_at(&home, &script(&turns), |event| {
        // `tool.started` is written before the command runs; the program is killed once the command has begun.
        event["kind"] == "tool.started" && {
            let sandbox = home.beside("data/sandboxes").join(event["sandbox"].as_str().unwrap());
            while !sandbox.join("workspace/begun.txt").exists() {
                std::thread::yield_now();
            }
            true
        }
    });
    let run = resume(&home, &session).expect_code(0);
    let results = run.of_kind("tool.result");
    assert_eq!(results[0]["outcome"], "cut_off");
    let messages: Vec<Value> = run.of_kind("ai.message").into_iter().map(|event| event["message"].clone()).collect();
    assert!(messages.contains(&json!("It was cut off; I look first.")), "{messages:?}");
    assert_eq!(published(&home, &session), "one\ntwo");
}

#[test]
fn a_working_run_is_cancelled_from_another_process() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let mut program = home.start_code(&checkout, "Wait.", &script(&[bash("sleep 1000"), ends()]));
    let mut last = Value::Null;
    for event in program.by_ref() {
        if event["kind"] == "tool.started" {
            home.run(&["sessions", "cancel", event["sessionId"].as_str().unwrap()]).expect_code(0);
        }
        last = event;
    }
    assert_eq!(program.exit_code(), 4);
    assert_eq!(last["status"], "cancelled");
}

#[test]
fn the_model_resolves_a_conflict_with_a_base_branch_that_moved() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "one\n"), ("b.txt", "b\n")]);
    let resolve = json!({
        "text": "Nothing was said of a conflict.",
        "when": [{
            "if": { "userContains": "conflict markers" },
            "text": "I resolve it.",
            "tools": [{ "name": "bash", "input": { "command": "grep -c '<<<<<<<' a.txt; printf 'one\\ntheirs\\nours\\n' > a.txt" } }],
        }],
    });
    let turns = [bash("echo ours >> a.txt"), ends(), resolve, ends()];
    let mut program = home.start_code(&checkout, "Add ours.", &script(&turns));
    let mut events: Vec<Value> = Vec::new();
    for event in program.by_ref() {
        if event["kind"] == "plan.created" {
            std::fs::write(checkout.join("a.txt"), "one\ntheirs\n").unwrap();
            git(&checkout, &["commit", "--quiet", "--all", "--message=Theirs"]);
        }
        events.push(event);
    }
    assert_eq!(program.exit_code(), 0);
    assert!(events.iter().any(|event| event["kind"] == "git.operation" && event["operation"] == "base_moved"));
    let branch = home.events(events[0]["sessionId"].as_str().unwrap()).branch();
    assert_eq!(branch.file("a.txt"), "one\ntheirs\nours");
    assert_eq!(
        git(&branch.repository, &["rev-parse", &format!("{}~1", branch.name)]),
        git(&checkout, &["rev-parse", "main"]),
        "the commit follows the branch's new head"
    );
}
