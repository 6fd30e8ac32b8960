//! Processes die at any moment; sessions go on.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::support::{Home, bash, ends, git, repository, script};

/// Starts a session and kills the process as soon as `last` shows an event that it wants to be the last one.
pub(crate) fn killed_at(home: &Home, script: &Value, mut last: impl FnMut(&Value) -> bool) -> String {
    let checkout = repository(home, "project", &[("a.txt", "one\n")]);
    let script = home.write("script.json", &script.to_string());
    let mut command = home.command(&["--json", "code"]);
    command.args([checkout.as_os_str(), "Add.".as_ref(), "--script".as_ref(), script.as_os_str()]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let mut session = None;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let frame: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if last(&frame) {
            session = Some(frame["sessionId"].as_str().unwrap().to_owned());
            break;
        }
    }
    kill(&mut child);
    session.expect("the event never came")
}

fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

pub(crate) fn resume(home: &Home, session: &str) -> crate::support::Ran {
    let script = home.beside("script.json");
    home.run(&["--json", "sessions", "resume", session, "--script", script.to_str().unwrap()])
}

/// What the branch of a session holds in `a.txt`.
pub(crate) fn published(home: &Home, session: &str) -> String {
    let events = home.run(&["--json", "sessions", "events", session]);
    let published = events.of_kind("branch.published").pop().unwrap();
    let url = published["url"].as_str().unwrap().trim_start_matches("file://").to_owned();
    let branch = published["branch"].as_str().unwrap().to_owned();
    git(std::path::Path::new(&url), &["show", &format!("{branch}:a.txt")])
}

#[test]
fn a_session_killed_after_any_kind_of_event_goes_on_to_the_same_pull_request() {
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
        "sandbox.terminating",
        "sandbox.terminated",
        "run.finished",
    ];
    for kind in kinds {
        let home = Home::new();
        // Each command is such that running it twice would show.
        let turns = [bash("echo two >> a.txt"), bash("echo three >> a.txt"), ends()];
        let session = killed_at(&home, &script(&turns), |frame| frame["kind"] == kind);
        assert_eq!(home.processes(), Vec::<String>::new(), "killed at {kind}");
        let ran = resume(&home, &session);
        assert_eq!(ran.code, 0, "killed at {kind}: {}\n{}", ran.stdout, ran.stderr);
        let events = home.run(&["--json", "sessions", "events", &session]);
        assert_eq!(events.of_kind("run.finished").len(), 1, "killed at {kind}");
        assert_eq!(events.of_kind("pr.opened").len(), 1, "killed at {kind}");
        let listed = home.run(&["--json", "sessions", "list"]).values();
        assert_eq!(listed[0]["status"], "done", "killed at {kind}");
        // A command whose end was not seen is told to the model as cut off and is not run again.
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
fn a_command_that_ran_when_the_process_died_is_cut_off_and_the_model_is_told() {
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
    let session = killed_at(&home, &script(&turns), |frame| {
        // The intent stands in the log before the command begins; it is killed once it has begun.
        frame["kind"] == "tool.started" && {
            let sandbox = home.beside("data/sandboxes").join(frame["sandbox"].as_str().unwrap());
            while !sandbox.join("workspace/begun.txt").exists() {
                std::thread::yield_now();
            }
            true
        }
    });
    let ran = resume(&home, &session).expect_code(0);
    let results = ran.of_kind("tool.result");
    assert_eq!(results[0]["outcome"], "cut_off");
    let said: Vec<Value> = ran.of_kind("ai.message").into_iter().map(|message| message["message"].clone()).collect();
    assert!(said.contains(&json!("It was cut off; I look first.")), "{said:?}");
    assert_eq!(published(&home, &session), "one\ntwo");
}

#[test]
fn a_run_at_work_sees_a_cancel_from_another_process_and_ends() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let script = home.write("script.json", &script(&[bash("sleep 1000"), ends()]).to_string());
    let mut command = home.command(&["--json", "code"]);
    command.args([checkout.as_os_str(), "Wait.".as_ref(), "--script".as_ref(), script.as_os_str()]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let mut last = Value::Null;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        last = serde_json::from_str(&line.unwrap()).unwrap();
        if last["kind"] == "tool.started" {
            let session = last["sessionId"].as_str().unwrap();
            home.run(&["sessions", "cancel", session]).expect_code(0);
        }
    }
    assert_eq!(child.wait().unwrap().code(), Some(4));
    assert_eq!(last["status"], "cancelled");
}

#[test]
fn a_base_branch_that_moves_in_a_conflicting_way_is_merged_and_told_to_the_model() {
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
    let script = home.write("script.json", &script(&turns).to_string());
    let mut command = home.command(&["--json", "code"]);
    command.args([checkout.as_os_str(), "Add ours.".as_ref(), "--script".as_ref(), script.as_os_str()]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let mut frames: Vec<Value> = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let frame: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if frame["kind"] == "plan.created" {
            std::fs::write(checkout.join("a.txt"), "one\ntheirs\n").unwrap();
            git(&checkout, &["commit", "--quiet", "--all", "--message=Theirs"]);
        }
        frames.push(frame);
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let session = frames[0]["sessionId"].as_str().unwrap();
    assert!(frames.iter().any(|frame| frame["kind"] == "git.operation" && frame["operation"] == "base_moved"));
    assert_eq!(published(&home, session), "one\ntheirs\nours");
    let published = frames.iter().rfind(|frame| frame["kind"] == "branch.published").unwrap();
    let url = published["url"].as_str().unwrap().trim_start_matches("file://").to_owned();
    let branch = published["branch"].as_str().unwrap();
    assert_eq!(
        git(std::path::Path::new(&url), &["rev-parse", &format!("{branch}~1")]),
        git(&checkout, &["rev-parse", "main"]),
        "the commit follows the branch's new head"
    );
}
