//! The program from outside: from a prompt to a pull request.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Home, ProgramOutput, bash, contents, ends, fixture, git, repository, script};

/// Clones the branch that a run published.
fn clone_branch(home: &Home, ran: &ProgramOutput, into: &str) -> std::path::PathBuf {
    let published = ran.of_kind("branch.published").pop().expect("no branch was published");
    let to = home.beside(into);
    let (url, branch) = (published["url"].as_str().unwrap(), published["branch"].as_str().unwrap());
    git(home.path(), &["clone", "--quiet", "--branch", branch, url, to.to_str().unwrap()]);
    to
}

fn unittest(directory: &Path) {
    let output = Command::new("python3").args(["-m", "unittest"]).current_dir(directory).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{stderr}");
    assert!(!stderr.contains("Ran 0 tests"), "{stderr}");
}

#[test]
fn the_demonstration_ends_in_a_pull_request_whose_branch_passes_its_tests() {
    let home = Home::new();
    let ran = home.run(&["demo"]).expect_code(0);
    assert!(ran.stderr.contains("the model's replies are scripted"), "{}", ran.stderr);
    assert!(ran.stderr.contains("ANTHROPIC_API_KEY"), "{}", ran.stderr);
    assert!(ran.stdout.contains("pull request  file://"), "{}", ran.stdout);
    assert!(ran.stdout.contains("insertion"), "no diff stat in {}", ran.stdout);

    let list = home.run(&["--json", "sessions", "list"]).expect_code(0).values();
    assert_eq!((list.len(), list[0]["status"].as_str()), (1, Some("done")));
    let id = list[0]["id"].as_str().unwrap().to_owned();
    let events = home.run(&["--json", "sessions", "events", &id]).expect_code(0);
    unittest(&clone_branch(&home, &events, "clone"));
    let checks = events.of_kind("score.recorded").into_iter().find(|score| score["name"] == "checks_passed").unwrap();
    assert_eq!(checks["label"], "passed");
    assert!(events.of_kind("pr.opened")[0].get("draft").is_none(), "its checks passed, so it is no draft");
}

#[test]
fn a_session_ends_in_a_pull_request_and_leaves_the_checkout_unchanged() {
    let home = Home::new();
    let checkout = fixture(&home, "web");
    let before = contents(&checkout);
    let fixtures = Path::new("fixtures/scripts");
    let script: Value = serde_json::from_slice(&std::fs::read(fixtures.join("web.json")).unwrap()).unwrap();
    let prompt = std::fs::read_to_string(fixtures.join("web.prompt.txt")).unwrap();
    let ran = home.code(&checkout, &prompt, &script, &[]).expect_code(0);
    assert_eq!(contents(&checkout), before, "the user's checkout was touched");
    unittest(&clone_branch(&home, &ran, "clone"));
    let finished = ran.values().pop().unwrap();
    assert_eq!((finished["kind"].as_str(), finished["status"].as_str()), (Some("run.finished"), Some("done")));
    assert!(finished["pr_url"].as_str().unwrap().starts_with("file://"));
}

#[test]
fn the_log_has_no_gaps_and_every_event_carries_its_trace() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let ran = home.code(&checkout, "Add two.", &script(&[bash("echo two >> a.txt"), ends()]), &[]).expect_code(0);
    let frames = ran.values();
    let ids: Vec<u64> = frames.iter().map(|frame| frame["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, (1..=ids.len() as u64).collect::<Vec<_>>());
    let traces: std::collections::HashSet<&str> =
        frames.iter().map(|frame| frame["traceId"].as_str().unwrap()).collect();
    assert_eq!(traces.len(), 1);
    assert!(frames.iter().all(|frame| frame["spanId"].as_str().is_some_and(|span| span.len() == 16)));
    let kinds: Vec<&str> = frames
        .iter()
        .map(|frame| frame["kind"].as_str().unwrap())
        .filter(|kind| !["clone.progress", "score.recorded"].contains(kind))
        .collect();
    insta::assert_snapshot!(kinds.join("\n"), @"
    session.created
    run.started
    step.started
    session.status
    sandbox.created
    git.operation
    sandbox.attached
    step.finished
    step.started
    session.status
    repository.surveyed
    user.message
    budget.reserved
    turn.started
    model.replied
    budget.settled
    plan.created
    plan.approved
    step.finished
    step.started
    session.status
    user.message
    budget.reserved
    turn.started
    model.replied
    budget.settled
    ai.message
    tool.call
    usage.updated
    step.finished
    step.started
    tool.started
    tool.result
    file.changed
    workspace.checkpoint
    step.finished
    step.started
    budget.reserved
    turn.started
    model.replied
    budget.settled
    ai.message
    usage.updated
    step.finished
    step.started
    session.status
    verification.recorded
    step.finished
    step.started
    session.status
    changeset.collected
    publish.started
    git.operation
    git.operation
    branch.published
    pr.opened
    step.finished
    step.started
    run.finished
    ");
}

#[test]
fn an_empty_repository_is_accepted_for_a_new_project() {
    let home = Home::new();
    let checkout = repository(&home, "empty", &[]);
    let turns = [bash("mkdir -p src && echo 'print(1)' > src/main.py && echo '# New' > README.md"), ends()];
    let ran = home.code(&checkout, "Begin a project.", &script(&turns), &[]).expect_code(0);
    let clone = clone_branch(&home, &ran, "clone");
    assert_eq!(std::fs::read_to_string(clone.join("src/main.py")).unwrap(), "print(1)\n");
    assert_eq!(git(&clone, &["rev-list", "--count", "HEAD"]), "1");
}

#[test]
fn modes_links_deletions_and_strange_names_arrive_in_the_commit() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("gone.txt", "x\n"), ("dir/file", "x\n"), ("kept.txt", "kept\n")]);
    let command = "rm gone.txt && rm -r dir && echo now-a-file > dir && printf '#!/bin/sh\\n' > run.sh && chmod +x run.sh \
                   && ln -s kept.txt link && printf 'x' > 'a \"quoted\" näme.txt' && echo ignored > target.log && echo '*.log' > .gitignore";
    let ran = home.code(&checkout, "Change much.", &script(&[bash(command), ends()]), &[]).expect_code(0);
    let clone = clone_branch(&home, &ran, "clone");
    let listed = git(&clone, &["-c", "core.quotePath=false", "ls-files", "-s"]);
    let modes: Vec<String> =
        listed.lines().map(|line| format!("{} {}", &line[..6], line.split_once('\t').unwrap().1)).collect();
    assert_eq!(
        modes,
        [
            "100644 .gitignore",
            r#"100644 "a \"quoted\" näme.txt""#,
            "100644 dir",
            "100644 kept.txt",
            "120000 link",
            "100755 run.sh",
        ]
    );
}

#[test]
fn a_run_that_changes_nothing_says_so_and_publishes_nothing() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let ran = home.code(&checkout, "Look.", &script(&[bash("cat a.txt"), ends()]), &[]).expect_code(0);
    let finished = ran.values().pop().unwrap();
    assert_eq!(finished["status"], "nothing");
    assert_eq!(finished["pr_url"], Value::Null);
    assert!(ran.of_kind("branch.published").is_empty());
}

#[test]
fn a_pull_request_without_any_check_is_a_draft() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let ran = home.code(&checkout, "Change.", &script(&[bash("echo x > b.txt"), ends()]), &[]).expect_code(0);
    assert_eq!(ran.of_kind("pr.opened")[0]["draft"], "no check of the project was run");
}

#[test]
fn only_a_branch_is_published_when_no_pull_request_is_wanted() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let turns = [bash("echo two >> a.txt"), ends()];
    let ran = home.code(&checkout, "Add two.", &script(&turns), &["--branch-only"]).expect_code(0);
    assert_eq!(ran.of_kind("branch.published").len(), 1);
    assert!(ran.of_kind("pr.opened").is_empty());
    assert_eq!(ran.values().pop().unwrap()["pr_url"], Value::Null);
}

#[test]
fn a_command_that_cannot_start_says_why_and_what_to_do() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let path = checkout.to_str().unwrap();
    let refused = home.run(&["code", path, "Do it."]).expect_code(5);
    assert!(refused.stderr.contains("set ANTHROPIC_API_KEY"), "{}", refused.stderr);
    let script = home.write("s.json", &json!({ "turns": [] }).to_string());
    let script = script.to_str().unwrap();
    let empty = home.run(&["code", path, "  ", "--script", script]).expect_code(5);
    assert!(empty.stderr.contains("prompt is empty"), "{}", empty.stderr);
    let credentials =
        home.run(&["code", "https://me:secret@example.com/r.git", "x", "--script", script]).expect_code(5);
    assert!(credentials.stderr.contains("user name or password"), "{}", credentials.stderr);
    assert!(!credentials.stderr.contains("me:secret"), "{}", credentials.stderr);
    home.run(&["code", path]).expect_code(2);
    home.run(&["sessions", "show", "01K00000000000000000000009"]).expect_code(5);
}

#[test]
fn a_directory_with_foreign_files_is_refused_as_home() {
    let home = Home::new().with("BACKSPACE_HOME", "photos");
    let photos = home.beside("photos");
    std::fs::create_dir(&photos).unwrap();
    std::fs::write(photos.join("cat.jpg"), "").unwrap();
    let before = std::fs::metadata(&photos).unwrap().permissions();
    let refused = home.run(&["sessions", "list"]).expect_code(5);
    assert!(refused.stderr.contains("it holds cat.jpg"), "{}", refused.stderr);
    assert_eq!(std::fs::metadata(&photos).unwrap().permissions(), before);
}

#[test]
fn a_missing_repository_ends_the_run_as_failed_with_its_code() {
    let home = Home::new();
    let ran = home.code(&home.beside("nowhere"), "Do it.", &script(&[ends()]), &[]).expect_code(1);
    let failed = ran.of_kind("session.error").pop().unwrap();
    assert_eq!(failed["code"], "RepositoryNotFound");
    assert!(!failed["remedy"].as_str().unwrap().is_empty());
    assert_eq!(ran.values().pop().unwrap()["status"], "failed");
}

#[test]
fn a_trace_reads_as_a_tree_from_the_run_down_to_its_tools() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let script = home.write("s.json", &script(&[bash("echo two >> a.txt"), ends()]).to_string());
    let (checkout, script) = (checkout.to_str().unwrap(), script.to_str().unwrap());
    let ran = home.run(&["code", checkout, "Add two.", "--script", script, "--trace"]).expect_code(0);
    let at = |name: &str| {
        let line = ran.stderr.lines().find(|line| line.contains(name));
        let line = line.unwrap_or_else(|| panic!("no {name} in\n{}", ran.stderr));
        line.find(name).unwrap()
    };
    let (root, step, turn, chat) =
        (at("invoke_agent tiny-backspace"), at("step generate-turn"), at("turn 1"), at("chat "));
    assert!(root < step && step < turn && turn < chat, "not nested:\n{}", ran.stderr);
    assert!(at("step execute-tool") < at("execute_tool bash"), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("invoke_agent").count(), 1, "one root");
}
