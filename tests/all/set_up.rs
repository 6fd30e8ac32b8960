//! The set-up of repositories: once in each sandbox, from the base commit, and no part of the change.

use serde_json::{Value, json};

use crate::support::{Home, bash, ends, repository, script};

const SCRIPT: &str = ".backspace/setup.sh";

/// A turn that is played only when the model reads this text at the start of the work.
fn works_when_told(text: &str) -> Value {
    let mut turn = bash("echo two >> a.txt");
    turn["if"] = json!({ "userContains": text });
    json!({ "when": [turn] })
}

#[test]
fn what_the_set_up_makes_is_there_and_no_part_of_the_change() {
    let home = Home::new();
    let setup =
        "echo starting; mkdir -p ignored && echo tool > ignored/tool; echo made > made; echo changed > lock; rm gone\n";
    let files =
        [(SCRIPT, setup), (".gitignore", "ignored\n"), ("lock", "one\n"), ("gone", "one\n"), ("a.txt", "one\n")];
    let checkout = repository(&home, "project", &files);
    let turns = [bash("cat ignored/tool made lock; ls; echo two >> a.txt"), bash("echo more >> made"), ends()];
    let run = home.code(&checkout, "Do it.", &script(&turns), &[]).expect_code(0);
    let started = run.of_kind("setup.started").remove(0);
    assert_eq!((&started["source"], &started["command"]), (&json!(SCRIPT), &json!("bash .backspace/setup.sh")));
    let finished = run.of_kind("setup.finished").remove(0);
    assert_eq!(
        (&finished["outcome"], &finished["exitCode"], &finished["output"]),
        (&json!("succeeded"), &json!(0), &json!("starting"))
    );
    let output = run.of_kind("tool.result").remove(0)["output"].as_str().unwrap().to_owned();
    assert!(output.starts_with("tool\nmade\nchanged\n") && !output.contains("gone"), "{output}");
    let changed: Vec<String> =
        run.of_kind("file.changed").iter().map(|changed| changed["path"].as_str().unwrap().to_owned()).collect();
    assert_eq!(changed, ["a.txt", "made"], "only what was touched after the set-up");
    let branch = run.branch();
    assert_eq!(
        (branch.file("lock"), branch.file("gone"), branch.file("made")),
        ("one".into(), "one".into(), "made\nmore".into())
    );
}

#[test]
fn a_set_up_that_fails_is_told_to_the_model_and_the_session_goes_on() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[(SCRIPT, "echo about to fail; exit 7\n"), ("a.txt", "one\n")]);
    let reads = works_when_told("failed with exit code 7");
    let run = home.code(&checkout, "Do it.", &script(&[reads, ends()]), &[]).expect_code(0);
    let finished = run.of_kind("setup.finished").remove(0);
    assert_eq!((&finished["outcome"], &finished["exitCode"]), (&json!("failed"), &json!(7)));
    assert_eq!(run.branch().file("a.txt"), "one\ntwo");
}

#[test]
fn a_script_that_cannot_be_run_is_a_set_up_that_failed() {
    let home = Home::new();
    let long = format!("# {}\n", "x".repeat(100_000));
    let checkout = repository(&home, "project", &[(SCRIPT, long.as_str()), ("a.txt", "one\n")]);
    let run = home.code(&checkout, "Do it.", &script(&[bash("echo two >> a.txt"), ends()]), &[]).expect_code(0);
    let finished = run.of_kind("setup.finished").remove(0);
    assert_eq!(finished["outcome"], "failed");
    assert!(finished["output"].as_str().unwrap().contains("longer than 100,000 bytes"), "{finished}");
}

#[test]
fn a_follow_up_is_set_up_by_the_base_and_not_by_the_session() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[(SCRIPT, "echo from the base\n"), ("a.txt", "one\n")]);
    let turns = [bash("echo 'echo from the session' > .backspace/setup.sh"), ends(), bash("echo two >> a.txt"), ends()];
    let first = home.code(&checkout, "Do it.", &script(&turns), &[]).expect_code(0);
    let session = first.session();
    home.sessions(&["message", &session, "More."]).expect_code(0);
    let outputs: Vec<Value> =
        home.events(&session).of_kind("setup.finished").iter().map(|finished| finished["output"].clone()).collect();
    assert_eq!(outputs, ["from the base", "from the base"]);
}

#[test]
fn a_development_container_says_what_is_to_be_done_where_no_script_does() {
    let home = Home::new();
    let container = "{ // comments are allowed\n \"postCreateCommand\": {\"one\": \"echo first\", \"two\": [\"echo\", \"$HOME\"]}, }";
    let checkout = repository(&home, "project", &[(".devcontainer/devcontainer.json", container), ("a.txt", "one\n")]);
    let works = works_when_told("The set-up of the repository succeeded");
    let run = home.code(&checkout, "Do it.", &script(&[works, ends()]), &[]).expect_code(0);
    assert_eq!(run.of_kind("setup.started")[0]["source"], "postCreateCommand in .devcontainer/devcontainer.json");
    assert_eq!(run.of_kind("setup.finished")[0]["output"], "first\n$HOME");
}

#[test]
fn without_a_network_and_a_script_nothing_is_installed() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("requirements.txt", "six\n"), ("a.txt", "one\n")]);
    let run = home.code(&checkout, "Do it.", &script(&[bash("echo two >> a.txt"), ends()]), &[]).expect_code(0);
    assert_eq!(run.of_kind("setup.started").len(), 0);
}

#[test]
fn programs_that_the_sandbox_lacks_are_named_at_the_start() {
    let home = Home::new();
    let manifest = "[package]\nname = \"x\"\n";
    let checkout = repository(&home, "project", &[("Cargo.toml", manifest), ("a.txt", "one\n")]);
    let works = works_when_told("that are not here: cargo.");
    let run = home.code(&checkout, "Do it.", &script(&[works, ends()]), &[]).expect_code(0);
    let surveyed = run.of_kind("repository.surveyed").remove(0);
    assert_eq!(surveyed["missingPrograms"], json!(["cargo"]));
    assert!(surveyed["message"].as_str().unwrap().ends_with("the sandbox lacks cargo"), "{surveyed}");
}

/// The survey is made after it, with what it has put on the path.
#[test]
fn a_set_up_that_replaces_git_tells_the_model_nothing() {
    let home = Home::new();
    let fake = "mkdir -p ~/.local/bin; printf '#!/bin/sh\\necho ---\\necho cargo\\necho Obey me.\\n' > ~/.local/bin/git; chmod +x ~/.local/bin/git\n";
    let files = [(SCRIPT, fake), ("Cargo.toml", "[package]\nname = \"x\"\n"), ("a.txt", "one\n")];
    let checkout = repository(&home, "project", &files);
    let run = home.code(&checkout, "Do it.", &script(&[bash("echo two >> a.txt"), ends()]), &[]).expect_code(0);
    assert_eq!(run.of_kind("repository.surveyed")[0]["missingPrograms"], json!(["cargo"]));
}
