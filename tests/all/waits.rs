//! Runs that wait for a person, and what people say to them.

use serde_json::{Value, json};

use crate::recovery::{killed_at, published};
use crate::support::{Home, Ran, bash, ends, plan, repository, script, tools};

fn run(home: &Home, script: &Value, more: &[&str]) -> Ran {
    let checkout = repository(home, "project", &[("a.txt", "one\n")]);
    home.code(&checkout, "Add two.", script, more)
}

/// A `sessions` command with the script that `code` was given.
fn say(home: &Home, arguments: &[&str]) -> Ran {
    let script = home.beside("script.json");
    let mut all = vec!["--json", "sessions"];
    all.extend(arguments);
    all.extend(["--script", script.to_str().unwrap()]);
    home.run(&all)
}

fn status(ran: &Ran) -> Value {
    ran.of_kind("run.finished").pop().map_or(Value::Null, |finished| finished["status"].clone())
}

#[test]
fn a_plan_that_waits_is_approved_by_its_name_only() {
    let home = Home::new();
    let waits = run(&home, &script(&[bash("echo two >> a.txt"), ends()]), &["--approve-plan"]).expect_code(3);
    let id = waits.session();
    let waited = waits.of_kind("wait.started").pop().unwrap();
    assert_eq!(waited["reason"]["for"], "plan_approval");
    let named = waited["reason"]["plan"].as_str().unwrap().to_owned();
    let other = say(&home, &["approve", &id, "--plan", "plan-another"]).expect_code(5);
    assert!(other.stdout.contains("is not the one that waits"), "{}", other.stdout);
    let done = say(&home, &["approve", &id, "--plan", &named]).expect_code(0);
    assert_eq!(status(&done), "done");
    let late = say(&home, &["approve", &id, "--plan", &named]).expect_code(5);
    assert!(late.stdout.contains("no plan that waits"), "{}", late.stdout);
}

#[test]
fn a_plan_rejected_with_words_is_made_again_and_one_rejected_without_ends_the_run() {
    let home = Home::new();
    let two = json!({
        "plan": plan("The first plan"),
        "plans": [plan("The second plan")],
        "turns": [bash("echo two >> a.txt"), ends()],
    });
    let waits = run(&home, &two, &["--approve-plan"]).expect_code(3);
    let id = waits.session();
    let again = say(&home, &["message", &id, "Not like this."]).expect_code(3);
    assert_eq!(again.of_kind("plan.created").pop().unwrap()["content"]["title"], "The second plan");
    let rejected = say(&home, &["reject", &id]).expect_code(4);
    assert_eq!(status(&rejected), "rejected");
}

#[test]
fn a_question_of_the_model_is_asked_after_the_other_calls_and_answered_with_the_users_words() {
    let home = Home::new();
    let asks = tools(&[
        ("ask_user", json!({ "question": "Which colour?" })),
        ("bash", json!({ "command": "echo two >> a.txt" })),
    ]);
    let reacts = json!({
        "text": "No answer came.",
        "when": [{ "if": { "resultContains": "dark green" }, "text": "Dark green it is." }],
    });
    let waits = run(&home, &script(&[asks, reacts]), &[]).expect_code(3);
    assert_eq!(waits.of_kind("tool.result").len(), 1, "the other call has its result");
    assert_eq!(waits.of_kind("wait.started").pop().unwrap()["reason"]["question"], "Which colour?");
    let id = waits.session();
    let shown = home.run(&["sessions", "show", &id]).expect_code(0);
    assert!(shown.stdout.contains(&format!("backspace sessions message {id} \"your answer\"")), "{}", shown.stdout);
    let done = say(&home, &["message", &id, "dark green"]).expect_code(0);
    assert_eq!(done.of_kind("ai.message").pop().unwrap()["message"], "Dark green it is.");
    assert_eq!(status(&done), "done");
}

#[test]
fn a_plan_that_needs_to_know_something_asks_first() {
    let home = Home::new();
    let mut asks = plan("Make it faster");
    asks["question"] = json!("Which part is slow?");
    let two =
        json!({ "plan": asks, "plans": [plan("Make reading faster")], "turns": [bash("echo two >> a.txt"), ends()] });
    let waits = run(&home, &two, &[]).expect_code(3);
    assert_eq!(waits.of_kind("wait.started").pop().unwrap()["reason"]["for"], "plan_question");
    let done = say(&home, &["message", &waits.session(), "Reading."]).expect_code(0);
    assert_eq!(status(&done), "done");
    assert_eq!(done.of_kind("pr.opened").pop().unwrap()["title"], "Make reading faster");
}

#[test]
fn a_spent_budget_waits_and_goes_on_when_it_is_extended() {
    let home = Home::new();
    let turns = [bash("echo two >> a.txt"), bash("echo three >> a.txt"), ends()];
    let waits = run(&home, &script(&turns), &["--max-turns", "1"]).expect_code(3);
    let id = waits.session();
    assert_eq!(waits.of_kind("budget.exhausted").pop().unwrap()["limit"], "all 1 turns are used");
    let done = say(&home, &["extend", &id, "--turns", "5"]).expect_code(0);
    assert_eq!(status(&done), "done");
    assert_eq!(done.of_kind("run.finished")[0]["totals"]["turns"], 3);
}

#[test]
fn money_is_set_aside_before_a_call_and_settled_after_it() {
    let home = Home::new();
    let waits = run(&home, &script(&[ends()]), &["--max-cost", "0.0001"]).expect_code(3);
    assert!(waits.of_kind("turn.started").is_empty(), "no call was made");
    let id = waits.session();
    let done = say(&home, &["extend", &id, "--cost", "5"]).expect_code(0);
    let (reserved, settled) = (done.of_kind("budget.reserved"), done.of_kind("budget.settled"));
    assert_eq!(reserved.len(), settled.len());
    for (reserved, settled) in reserved.iter().zip(&settled) {
        assert_eq!(reserved["call"], settled["call"]);
        assert!(reserved["amount"].as_u64() > settled["cost"].as_u64());
    }
    let spent: u64 = settled.iter().map(|settled| settled["cost"].as_u64().unwrap()).sum();
    assert_eq!(done.of_kind("run.finished")[0]["totals"]["cost"].as_u64(), Some(spent));
}

#[test]
fn a_waiting_run_is_cancelled_at_once_and_keeps_its_branch_if_asked() {
    let home = Home::new();
    let turns = [bash("echo two >> a.txt"), tools(&[("ask_user", json!({ "question": "Go on?" }))]), ends()];
    let waits = run(&home, &script(&turns), &[]).expect_code(3);
    let kept = say(&home, &["cancel", &waits.session(), "--keep-branch"]).expect_code(0);
    assert_eq!(status(&kept), "cancelled");
    assert_eq!(kept.of_kind("branch.published").len(), 1);
    assert!(kept.of_kind("pr.opened").is_empty());

    let home = Home::new();
    let waits = run(&home, &script(&turns), &[]).expect_code(3);
    let dropped = say(&home, &["cancel", &waits.session()]).expect_code(0);
    assert_eq!(status(&dropped), "cancelled");
    assert!(dropped.of_kind("branch.published").is_empty());
}

#[test]
fn a_message_to_a_finished_session_is_its_next_run_on_the_same_branch_and_pull_request() {
    let home = Home::new();
    let turns = [bash("echo two >> a.txt"), ends(), bash("cat a.txt; echo three >> a.txt"), ends()];
    let first = run(&home, &script(&turns), &[]).expect_code(0);
    let id = first.session();
    let second = say(&home, &["message", &id, "And three."]).expect_code(0);
    assert_eq!(second.of_kind("run.finished")[0]["run"], 2);
    assert_eq!(second.of_kind("pr.updated").len(), 1, "no second pull request");
    let published = (first.of_kind("branch.published").remove(0), second.of_kind("branch.published").remove(0));
    assert_eq!(published.0["branch"], published.1["branch"]);
    let url = published.1["url"].as_str().unwrap().trim_start_matches("file://").to_owned();
    let branch = published.1["branch"].as_str().unwrap();
    let repository = std::path::Path::new(&url);
    assert_eq!(crate::support::git(repository, &["show", &format!("{branch}:a.txt")]), "one\ntwo\nthree");
    assert_eq!(crate::support::git(repository, &["rev-list", "--count", branch]), "3");
    let saw = second.of_kind("tool.result").remove(0)["output"].as_str().unwrap().to_owned();
    assert_eq!(saw, "one\ntwo\n", "the run began where the first one ended");
}

#[test]
fn a_rejected_plan_is_not_carried_out_because_the_budget_was_extended_meanwhile() {
    let home = Home::new();
    let two = json!({
        "plan": plan("The first plan"),
        "plans": [plan("The second plan")],
        "turns": [bash("echo two >> a.txt"), ends()],
    });
    // Enough for one plan, not for another: what a reply may cost is set aside, and the first one cost something. A later run
    // has as much again, and a longer conversation.
    let figures =
        home.code(&repository(&home, "another", &[("a.txt", "one\n")]), "Add two.", &two, &["--approve-plan"]);
    let reserved = figures.of_kind("budget.reserved")[0]["amount"].as_u64().unwrap();
    let settled = figures.of_kind("budget.settled")[0]["cost"].as_u64().unwrap();
    let most = format!("0.{:06}", reserved + settled * 9 / 10);
    home.run(&["--json", "sessions", "cancel", &figures.session()]).expect_code(0);
    let waits = run(&home, &two, &["--approve-plan", "--max-cost", &most]).expect_code(3);
    let id = waits.session();
    let spent = say(&home, &["message", &id, "Never touch a.txt."]).expect_code(3);
    assert_eq!(spent.of_kind("wait.started").pop().unwrap()["reason"]["for"], "budget");
    let again = say(&home, &["extend", &id, "--cost", "5"]).expect_code(3);
    assert_eq!(again.of_kind("plan.created").pop().unwrap()["content"]["title"], "The second plan");
    assert!(again.of_kind("turn.started").iter().all(|turn| turn["call"]["conversation"] == "plan"));
    say(&home, &["reject", &id]).expect_code(4);

    // And what is said after a final rejection makes a new plan, not the old one.
    let next = say(&home, &["message", &id, "In another way."]).expect_code(3);
    assert_eq!(next.of_kind("plan.created").len(), 1);
    say(&home, &["cancel", &id]).expect_code(0);
}

#[test]
fn a_commit_of_somebody_else_on_our_branch_is_built_upon() {
    let home = Home::new();
    let turns = [bash("echo two >> a.txt"), ends(), bash("sleep 1; cat a.txt; echo three >> a.txt"), ends()];
    let first = run(&home, &script(&turns), &[]).expect_code(0);
    let published = first.of_kind("branch.published").remove(0);
    let url = published["url"].as_str().unwrap().trim_start_matches("file://").to_owned();
    let branch = published["branch"].as_str().unwrap().to_owned();
    let clone = home.beside("theirs");
    crate::support::git(home.path(), &["clone", "--quiet", "--branch", &branch, &url, clone.to_str().unwrap()]);
    let script = home.beside("script.json");
    let mut command = home.command(&["--json", "sessions", "message", &first.session(), "And three.", "--script"]);
    let mut child = command.arg(script).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut last = Value::Null;
    for line in std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap())) {
        last = serde_json::from_str(&line.unwrap()).unwrap();
        if last["kind"] == "tool.started" && !clone.join("b.txt").exists() {
            std::fs::write(clone.join("b.txt"), "theirs\n").unwrap();
            crate::support::git(&clone, &["add", "--all"]);
            crate::support::git(&clone, &["commit", "--quiet", "--message=Theirs"]);
            crate::support::git(&clone, &["push", "--quiet"]);
        }
    }
    assert!(child.wait().unwrap().success(), "{last}");
    let repository = std::path::Path::new(&url);
    assert_eq!(crate::support::git(repository, &["show", &format!("{branch}:a.txt")]), "one\ntwo\nthree");
    assert_eq!(crate::support::git(repository, &["show", &format!("{branch}:b.txt")]), "theirs");
}

#[test]
fn an_empty_reply_does_not_spoil_the_conversation() {
    let home = Home::new();
    let turns = [bash("echo two >> a.txt"), json!({})];
    let first = run(&home, &script(&turns), &[]).expect_code(0);
    // The service refuses an empty message in what is sent back; so it is left out, and the script, which goes by what is
    // sent, plays the empty turn again.
    let second = say(&home, &["message", &first.session(), "And three."]).expect_code(0);
    assert_eq!(status(&second), "nothing");
    assert_eq!(second.of_kind("model.replied").len(), 1);
}

#[test]
fn a_cancel_counts_more_than_an_answer_that_nobody_acted_on() {
    let home = Home::new();
    let turns = [bash("echo two >> a.txt"), tools(&[("ask_user", json!({ "question": "Go on?" }))]), ends()];
    let waits = run(&home, &script(&turns), &[]).expect_code(3);
    let id = waits.session();
    say(&home, &["message", &id, "yes", "--no-wait"]).expect_code(0);
    let kept = say(&home, &["cancel", &id, "--keep-branch"]).expect_code(0);
    assert_eq!(status(&kept), "cancelled");
    assert_eq!(kept.of_kind("branch.published").len(), 1);
}

#[test]
fn a_wait_that_nobody_ends_ends_in_a_draft_or_in_nothing() {
    let home = Home::new().with("BACKSPACE_ANSWER_SECONDS", "1");
    let asks = tools(&[("ask_user", json!({ "question": "Go on?" }))]);
    for (turns, ended, code) in
        [(vec![bash("echo two >> a.txt"), asks.clone(), ends()], "done", 0), (vec![asks, ends()], "expired", 4)]
    {
        let checkout = repository(&home, &format!("project-{ended}"), &[("a.txt", "one\n")]);
        let mut ran = home.code(&checkout, "Add two.", &script(&turns), &[]);
        let id = ran.session();
        // Nobody drives it until its time is over; whoever resumes it then finds that.
        while ran.code == 3 {
            ran = say(&home, &["resume", &id]);
        }
        assert_eq!(ran.code, code, "{}{}", ran.stdout, ran.stderr);
        let events = home.run(&["--json", "sessions", "events", &id]);
        assert_eq!(status(&events), ended);
        assert_eq!(events.of_kind("wait.ended").pop().unwrap()["outcome"], "expired");
        for opened in events.of_kind("pr.opened") {
            assert!(opened["draft"].as_str().unwrap().contains("an answer that did not come"), "{opened}");
        }
    }
}

#[test]
fn a_process_that_dies_while_a_wait_releases_the_sandbox_leaves_it_to_the_next_one() {
    for kind in ["sandbox.terminating", "sandbox.terminated"] {
        let home = Home::new();
        let asks = tools(&[("ask_user", json!({ "question": "Go on?" }))]);
        let turns = [bash("echo two >> a.txt"), asks, bash("echo three >> a.txt"), ends()];
        let session = killed_at(&home, &script(&turns), |event| event["kind"] == kind);
        let answered = say(&home, &["message", &session, "yes"]).expect_code(0);
        assert_eq!(status(&answered), "done", "killed at {kind}");
        let events = home.run(&["--json", "sessions", "events", &session]);
        let reasons = |kind: &str| -> Vec<Value> {
            events.of_kind(kind).into_iter().map(|event| event["reason"].clone()).collect()
        };
        assert_eq!(reasons("sandbox.terminating"), reasons("sandbox.terminated"), "killed at {kind}");
        assert_eq!(
            reasons("sandbox.terminated"),
            ["terminated for a long wait", "the run is over"],
            "killed at {kind}"
        );
        assert!(events.of_kind("sandbox.lost").is_empty(), "killed at {kind}");
        assert_eq!(published(&home, &session), "one\ntwo\nthree", "killed at {kind}");
    }
}
