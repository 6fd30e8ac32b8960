//! Whatever ended a run: what its checkpoint holds is published, with a text that says how it stands.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::{planned, with_tests};
use crate::support::{Home, ProgramOutput, bash, ends, repository, tools};

/// What differs from run to run, and its replacement.
const REDACTIONS: [(&str, &str); 3] =
    [(r"\b01[0-9A-HJKMNP-TV-Z]{24}\b", "[session]"), (r"\$\d+\.\d+", "$$[cost]"), (r"/tmp/\S+/project", "[project]")];

/// How a run ended, and the text of its pull request.
fn text(home: &Home, run: &ProgramOutput) -> String {
    let sessions = home.run(&["--json", "sessions", "list"]).values();
    let events = home.events(sessions[0]["id"].as_str().unwrap());
    let finished = events.of_kind("run.finished").pop().expect("the run did not end");
    let mut text = format!(
        "exit code {}, {}: {}\n\n",
        run.code,
        finished["status"].as_str().unwrap(),
        finished["summary"].as_str().unwrap()
    );
    match finished["pr_url"].as_str() {
        None => text.push_str("(no pull request)\n"),
        Some(url) => {
            let record = url.trim_start_matches("file://").replace(".md", ".json");
            let record: Value = serde_json::from_str(&std::fs::read_to_string(Path::new(&record)).unwrap()).unwrap();
            let _ = writeln!(text, "[{}] {}", record["readiness"].as_str().unwrap(), record["body"].as_str().unwrap());
        }
    }
    text
}

/// A reply that the model's service refuses.
fn refused(status: u16) -> Value {
    json!({ "text": "Never sent.", "fault": { "kind": "status", "status": status, "message": "no", "times": 9 } })
}

fn works() -> Value {
    bash("echo two >> a.txt")
}

#[test]
fn pull_requests_say_how_the_work_stands() {
    let passing = |home: &Home| with_tests(home, "grep -q one a.txt");
    let mut texts = String::new();
    let mut add = |name: &str, home: &Home, run: &ProgramOutput| {
        let _ = write!(texts, "===== {name}\n{}\n", text(home, run));
    };
    let code = |home: &Home, checkout: &Path, checks: &[&str], turns: &[Value], more: &[&str]| {
        home.code(checkout, "Do it.", &planned(checks, turns), more)
    };

    let home = Home::new();
    let run = code(&home, &passing(&home), &["make test"], &[works(), bash("make test"), ends()], &[]);
    add("ready", &home, &run);

    let home = Home::new();
    let run = code(&home, &passing(&home), &["make test"], &[bash("echo two > a.txt"), ends(), ends()], &[]);
    add("a broken check", &home, &run);

    let home = Home::new();
    let checkout = with_tests(&home, "false");
    let run = code(&home, &checkout, &["make test"], &[works(), ends()], &[]);
    add("a check that failed before", &home, &run);

    let home = Home::new();
    let run = code(&home, &passing(&home), &["make test", "ruff check ."], &[works(), ends()], &[]);
    add("a check that was not run", &home, &run);

    let home = Home::new();
    let run = code(&home, &passing(&home), &[], &[works(), ends()], &[]);
    add("no check", &home, &run);

    let home = Home::new();
    let inner = bash("echo two >> a.txt; mkdir app; git init -q app; echo x > app/x");
    let run = code(&home, &passing(&home), &["make test"], &[inner, ends(), ends()], &[]);
    add("work left out", &home, &run);

    let home = Home::new();
    let run = code(&home, &passing(&home), &["make test"], &[works(), refused(400)], &[]);
    add("a refused request", &home, &run);

    let home = Home::new();
    let run =
        code(&home, &passing(&home), &["make test"], &[works(), json!({ "text": "No.", "stop": "refusal" })], &[]);
    add("a model that declines", &home, &run);

    let home = Home::new().with("BACKSPACE_ANSWER_SECONDS", "1");
    let asks = tools(&[("ask_user", json!({ "question": "Which?" }))]);
    let mut run = home.code(&passing(&home), "Do it.", &planned(&["make test"], &[works(), asks, ends()]), &[]);
    let session = run.session();
    // The wait expires on the clock; a `resume` before that exits with 3 again.
    while run.code == 3 {
        run = home.sessions(&["resume", &session]);
    }
    add("an answer that did not come", &home, &run);

    let home = Home::new();
    let run = home.code(&passing(&home), "Do it.", &planned(&["make test"], &[works(), ends()]), &["--draft"]);
    add("a draft by request", &home, &run);

    insta::with_settings!({ filters => REDACTIONS, omit_expression => true, prepend_module_to_snapshot => false, snapshot_path => "../snapshots" }, {
        insta::assert_snapshot!("pull_request_texts", texts);
    });
}

#[test]
fn a_failed_run_goes_on_with_a_message() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let turns = [works(), json!({ "text": "Declined.", "stop": "refusal" }), bash("echo three >> a.txt"), ends()];
    let failed = home.code(&checkout, "Do it.", &planned(&["true"], &turns), &[]).expect_code(1);
    assert_eq!((failed.final_status(), failed.branch().file("a.txt")), (json!("failed"), "one\ntwo".to_owned()));
    let opened = failed.of_kind("pr.opened").pop().unwrap();
    assert!(opened["draft"].as_str().unwrap().starts_with("the run ended early (the model declined"), "{opened}");
    let done = home.sessions(&["message", &failed.session(), "Go on."]).expect_code(0);
    assert_eq!((done.final_status(), done.branch().file("a.txt")), (json!("done"), "one\ntwo\nthree".to_owned()));
}

#[test]
fn a_failed_run_without_a_change_publishes_nothing() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let run = home.code(&checkout, "Do it.", &planned(&["true"], &[refused(400)]), &[]).expect_code(1);
    assert_eq!(run.of_kind("branch.published").len() + run.of_kind("pr.opened").len(), 0);
    assert_eq!(run.of_kind("session.error")[0]["code"], "ModelRefusedRequest");
}
