//! What the outcomes of checks lead to.

use serde_json::{Value, json};

use super::{draft, outcomes, page, planned, session, told, with_tests};
use crate::support::{Home, bash, ends, repository, script};

fn one(outcome: &str) -> Vec<(String, String)> {
    vec![("make test".to_owned(), outcome.to_owned())]
}

#[test]
fn a_change_whose_checks_pass_is_ready() {
    let home = Home::new();
    let run = session(&home, "grep -q two a.txt", &["echo two >> a.txt"]).expect_code(0);
    assert_eq!((outcomes(&run), draft(&run)), (one("passed"), Value::Null));
    assert!(page(&run).contains("- `make test` passed\n"), "{}", page(&run));
    let statuses = run.of_kind("session.status");
    assert!(statuses.iter().any(|changed| changed["status"] == "verifying"), "{statuses:?}");
}

#[test]
fn the_model_mends_what_it_has_broken() {
    let home = Home::new();
    let checkout = with_tests(&home, "echo looking; grep -q one a.txt");
    let mut mends = bash("echo one >> a.txt");
    mends["if"] = json!({ "userContains": "`make test` fails with exit code 2; it passes without your change" });
    let turns = [bash("echo two > a.txt"), ends(), json!({ "when": [mends] }), ends()];
    let run = home.code(&checkout, "Do it.", &planned(&["make test"], &turns), &[]).expect_code(0);
    let told = told(&run, "checks");
    assert!(told.len() == 1 && told[0].contains("looking\nmake: *** [Makefile:2: test] Error 1"), "{told:?}");
    assert_eq!((outcomes(&run), draft(&run)), (one("passed"), Value::Null));
    assert_eq!(run.branch().file("a.txt"), "two\none");
}

#[test]
fn a_change_that_stays_broken_is_a_draft_after_three_rounds() {
    let home = Home::new();
    let checkout = with_tests(&home, "grep -q one a.txt");
    let edit = |number: u32| [bash(&format!("echo {number} > a.txt")), ends()];
    let turns: Vec<Value> = (1..=6).flat_map(edit).collect();
    let run = home.code(&checkout, "Do it.", &planned(&["make test"], &turns), &[]).expect_code(0);
    assert_eq!((told(&run, "checks").len(), run.branch().file("a.txt")), (3, "4".to_owned()));
    assert_eq!(draft(&run), "a check fails: make test");
    assert!(page(&run).contains("- `make test` **failed** with exit code 2; it passes without this change\n"));
    let scores = run.of_kind("score.recorded");
    let score = scores.iter().find(|score| score["name"] == "checks_passed").unwrap();
    assert_eq!(
        (&score["value"], &score["label"], &score["explanation"]),
        (&json!(0.0), &json!("failed"), &json!("make test failed"))
    );
}

#[test]
fn a_model_that_leaves_it_broken_is_not_told_twice() {
    let home = Home::new();
    let run = session(&home, "grep -q one a.txt", &["echo two > a.txt"]).expect_code(0);
    assert_eq!((told(&run, "checks").len(), draft(&run)), (1, json!("a check fails: make test")));
    assert_eq!(run.of_kind("verification.recorded").len(), 1, "the same change is not checked again");
}

#[test]
fn nobody_is_asked_for_a_budget_to_mend_with() {
    let home = Home::new();
    let checkout = with_tests(&home, "grep -q one a.txt");
    let script = planned(&["make test"], &[bash("echo two > a.txt"), ends(), ends(), ends(), ends()]);
    let run = home.code(&checkout, "Do it.", &script, &["--max-turns", "2"]).expect_code(0);
    assert_eq!((told(&run, "checks").len(), draft(&run)), (0, json!("a check fails: make test")));
}

#[test]
fn what_failed_before_is_told_from_what_is_newly_broken() {
    let home = Home::new();
    let files = [("a.txt", "one\n"), ("Makefile", "test:\n\tfalse\nlint:\n\ttrue\n")];
    let checkout = repository(&home, "project", &files);
    let turns = [bash("echo two >> a.txt"), ends()];
    let run = home.code(&checkout, "Do it.", &planned(&["make test", "make lint"], &turns), &[]).expect_code(0);
    let expected = [("make test", "failed_before"), ("make lint", "passed")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!((outcomes(&run), draft(&run)), (expected.to_vec(), Value::Null));
    assert!(told(&run, "checks").is_empty());
    assert!(page(&run).contains("- `make test` failed with exit code 2, as it does without this change\n"));

    let run = session(&Home::new(), "false", &["echo two >> a.txt"]).expect_code(0);
    assert_eq!(draft(&run), "no check passes, with or without the change: make test");
}

#[test]
fn where_the_base_says_nothing_a_failure_counts_as_new() {
    let home = Home::new();
    let run = session(&home, "false", &["echo '{}' > package.json"]).expect_code(0);
    assert_eq!((outcomes(&run), draft(&run)), (one("failed"), json!("a check fails: make test")));
    let text = page(&run);
    assert!(text.contains("(how it ends without the change is unknown: the change touches package.json)"), "{text}");
    assert!(run.of_kind("check.started").iter().all(|started| started["subject"] == "change"));
}

#[test]
fn a_check_without_an_end_of_its_own_has_neither_passed_nor_failed() {
    let cases = [
        ("no-such-program", "a program that it needs is missing or cannot be run (exit code 127)"),
        ("./a.txt", "a program that it needs is missing or cannot be run (exit code 126)"),
        ("sleep 60", "it took longer than 1 s"),
    ];
    for (command, reason) in cases {
        let home = Home::new().with("BACKSPACE_COMMAND_SECONDS", "1");
        let checkout = with_tests(&home, "true");
        let script = planned(&["make test", command], &[bash("echo two >> a.txt"), ends()]);
        let run = home.code(&checkout, "Do it.", &script, &[]).expect_code(0);
        assert_eq!(outcomes(&run)[1], (command.to_owned(), "not_run".to_owned()));
        assert_eq!(draft(&run), format!("a check was not run, because {reason}: {command}"));
        assert!(page(&run).contains(&format!("- `{command}` was **not run**: {reason}\n")), "{}", page(&run));
        assert!(told(&run, "checks").is_empty());
    }
}

/// Rows of commands that pass for checks by their words, or hide one.
#[test]
fn what_the_model_runs_itself_proves_nothing() {
    let broken = [
        "make test & wait",
        "! make test",
        "make test > /tmp/out 2>&1 &",
        "nohup make test &",
        "set +o pipefail; make test | tail -3",
        "make test; echo exit=$?",
        "if make test; then echo good; fi",
        "make test > log.txt 2>&1; tail log.txt; rm log.txt",
        "out=$(make test 2>&1); echo \"$out\"",
    ];
    let home = Home::new();
    let commands: Vec<&str> = ["echo two > a.txt"].into_iter().chain(broken).collect();
    let run = session(&home, "echo output; grep -q one a.txt", &commands).expect_code(0);
    assert_eq!((outcomes(&run), draft(&run)), (one("failed"), json!("a check fails: make test")));
    assert!(page(&run).contains("- What the model itself ran last, of 10 in all: "), "{}", page(&run));

    let sound = [
        "make test 2>&1 | grep -i fail",
        "make test | head -2",
        "make test | sed 1q",
        "[ -f nosuch ] && make test",
        "cd nosuch && make test",
    ];
    let home = Home::new();
    let commands: Vec<&str> = ["echo two >> a.txt"].into_iter().chain(sound).collect();
    let run = session(&home, "seq 100000; grep -q one a.txt", &commands).expect_code(0);
    assert_eq!((outcomes(&run), draft(&run)), (one("passed"), Value::Null));
}

#[test]
fn a_change_after_the_models_own_check_is_checked() {
    let home = Home::new();
    let run =
        session(&home, "grep -q one a.txt", &["echo two >> a.txt", "make test", "echo two > a.txt"]).expect_code(0);
    assert_eq!(outcomes(&run), one("failed"));
}

#[test]
fn what_checks_change_is_put_back() {
    let home = Home::new();
    let recipe = "echo made > made.txt; echo checked >> a.txt; rm -f gone.txt; chmod +x Makefile";
    let makefile =
        format!("test:\n\t@{recipe}\nlint:\n\t@test ! -e made.txt && test -e gone.txt && ! grep checked a.txt\n");
    let checkout = repository(&home, "project", &[("a.txt", "one\n"), ("gone.txt", "here\n"), ("Makefile", &makefile)]);
    let turns = [bash("echo two >> a.txt"), ends()];
    let run = home.code(&checkout, "Do it.", &planned(&["make test", "make lint"], &turns), &[]).expect_code(0);
    assert!(outcomes(&run).iter().all(|(_, outcome)| outcome == "passed"), "{:?}", outcomes(&run));
    let changed: Vec<Value> = run.of_kind("file.changed").iter().map(|changed| changed["path"].clone()).collect();
    assert_eq!((changed, run.branch().file("a.txt")), (vec![json!("a.txt")], "one\ntwo".to_owned()));
}

#[test]
fn checks_are_chosen_by_the_first_who_names_any() {
    let chosen = |home: &Home, files: &[(&str, &str)], script: &Value| {
        let checkout = repository(home, "project", files);
        let run = home.code(&checkout, "Do it.", script, &[]).expect_code(0);
        outcomes(&run).into_iter().map(|(command, _)| command).collect::<Vec<_>>()
    };
    let makefile = ("Makefile", "test:\n\ttrue\nlint:\n\ttrue\n");
    let settings = (".backspace/config.toml", "checks = [\"make lint\"]\n");
    let writes = bash("echo 'checks = [\"true\"]' > .backspace/config.toml; echo two >> a.txt");
    let both = planned(&["make test", "true", "make test || true"], &[writes, ends()]);
    let home = Home::new().with("BACKSPACE_CHECKS", "test -e a.txt\\n true ");
    assert_eq!(chosen(&home, &[makefile, settings, ("a.txt", "")], &both), ["test -e a.txt", "true"]);
    assert_eq!(chosen(&Home::new(), &[makefile, settings], &both), ["make lint"], "as in the base commit");
    let planned = planned(&["make test", "true", "make test || true"], &[bash("echo two >> a.txt"), ends()]);
    assert_eq!(chosen(&Home::new(), &[makefile], &planned), ["make test", "true"]);
    let surveyed = script(&[bash("echo two >> a.txt"), ends()]);
    assert_eq!(chosen(&Home::new(), &[makefile], &surveyed), ["make test", "make lint"]);
}

#[test]
fn checks_that_the_plan_left_out_are_named() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("Makefile", "test:\n\ttrue\nlint:\n\ttrue\n")]);
    let script = planned(&["make test"], &[bash("echo two >> a.txt"), ends()]);
    let run = home.code(&checkout, "Do it.", &script, &[]).expect_code(0);
    assert!(page(&run).contains("- Found in the repository and not chosen: `make lint`.\n"), "{}", page(&run));
}
