//! Runs that wait for the user, and the answers that end the wait.

use serde_json::{Value, json};

use crate::recovery::{kill_at, published};
use crate::support::{Home, ProgramOutput, bash, ends, git, plan, repository, script, tools};

fn code(home: &Home, script: &Value, more: &[&str]) -> ProgramOutput {
    let checkout = repository(home, "project", &[("a.txt", "one\n")]);
    home.code(&checkout, "Add two.", script, more)
}

fn two_plans() -> Value {
    json!({
        "plan": plan("The first plan"),
        "plans": [plan("The second plan")],
        "turns": [bash("echo two >> a.txt"), ends()],
    })
}

#[test]
fn a_waiting_plan_is_approved_only_by_its_name() {
    let home = Home::new();
    let waits = code(&home, &script(&[bash("echo two >> a.txt"), ends()]), &["--approve-plan"]).expect_code(3);
    let id = waits.session();
    let waited = waits.of_kind("wait.started").pop().unwrap();
    assert_eq!(waited["reason"]["for"], "plan_approval");
    let named = waited["reason"]["plan"].as_str().unwrap().to_owned();
    let other = home.sessions(&["approve", &id, "--plan", "plan-another"]).expect_code(5);
    assert!(other.stdout.contains("does not wait for approval"), "{}", other.stdout);
    let done = home.sessions(&["approve", &id, "--plan", &named]).expect_code(0);
    assert_eq!(done.final_status(), "done");
    let late = home.sessions(&["approve", &id, "--plan", &named]).expect_code(5);
    assert!(late.stdout.contains("no plan that waits"), "{}", late.stdout);
}

#[test]
fn a_message_replaces_the_plan_and_a_bare_rejection_ends_the_run() {
    let home = Home::new();
    let waits = code(&home, &two_plans(), &["--approve-plan"]).expect_code(3);
    let id = waits.session();
    let again = home.sessions(&["message", &id, "Not like this."]).expect_code(3);
    assert_eq!(again.of_kind("plan.created").pop().unwrap()["content"]["title"], "The second plan");
    let rejected = home.sessions(&["reject", &id]).expect_code(4);
    assert_eq!(rejected.final_status(), "rejected");
}

#[test]
fn a_question_is_asked_after_the_other_calls_and_gets_the_users_answer() {
    let home = Home::new();
    let asks = tools(&[
        ("ask_user", json!({ "question": "Which colour?" })),
        ("bash", json!({ "command": "echo two >> a.txt" })),
    ]);
    let reacts = json!({
        "text": "No answer came.",
        "when": [{ "if": { "resultContains": "dark green" }, "text": "Dark green it is." }],
    });
    let waits = code(&home, &script(&[asks, reacts]), &[]).expect_code(3);
    assert_eq!(waits.of_kind("tool.result").len(), 1, "the other call has its result");
    assert_eq!(waits.of_kind("wait.started").pop().unwrap()["reason"]["question"], "Which colour?");
    let id = waits.session();
    let shown = home.run(&["sessions", "show", &id]).expect_code(0);
    assert!(shown.stdout.contains(&format!("backspace sessions message {id} \"your answer\"")), "{}", shown.stdout);
    let done = home.sessions(&["message", &id, "dark green"]).expect_code(0);
    assert_eq!(done.of_kind("ai.message").pop().unwrap()["message"], "Dark green it is.");
    assert_eq!(done.final_status(), "done");
}

#[test]
fn a_run_with_a_spent_budget_waits_and_resumes_when_it_is_extended() {
    let home = Home::new();
    let turns = [bash("echo two >> a.txt"), bash("echo three >> a.txt"), ends()];
    let waits = code(&home, &script(&turns), &["--max-turns", "1"]).expect_code(3);
    let id = waits.session();
    assert_eq!(waits.of_kind("budget.exhausted").pop().unwrap()["limit"], "all 1 turns are used");
    let done = home.sessions(&["extend", &id, "--turns", "5"]).expect_code(0);
    assert_eq!(done.final_status(), "done");
    assert_eq!(done.of_kind("run.finished")[0]["totals"]["turns"], 3);
}

#[test]
fn the_cost_of_a_call_is_reserved_before_it_and_settled_after_it() {
    let home = Home::new();
    let waits = code(&home, &script(&[ends()]), &["--max-cost", "0.0001"]).expect_code(3);
    assert!(waits.of_kind("turn.started").is_empty(), "no call was made");
    let id = waits.session();
    let done = home.sessions(&["extend", &id, "--cost", "5"]).expect_code(0);
    let (reserved, settled) = (done.of_kind("budget.reserved"), done.of_kind("budget.settled"));
    assert_eq!((reserved.len(), settled.len()), (2, 2), "one call for the plan, one for the only turn");
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
    let waits = code(&home, &script(&turns), &[]).expect_code(3);
    let kept = home.sessions(&["cancel", &waits.session(), "--keep-branch"]).expect_code(0);
    assert_eq!(kept.final_status(), "cancelled");
    assert_eq!(kept.of_kind("branch.published").len(), 1);
    assert!(kept.of_kind("pr.opened").is_empty());

    let home = Home::new();
    let waits = code(&home, &script(&turns), &[]).expect_code(3);
    let dropped = home.sessions(&["cancel", &waits.session()]).expect_code(0);
    assert_eq!(dropped.final_status(), "cancelled");
    assert!(dropped.of_kind("branch.published").is_empty());
}

#[test]
fn a_message_to_a_finished_session_updates_the_same_pull_request() {
    let home = Home::new();
    let turns = [bash("echo two >> a.txt"), ends(), bash("cat a.txt; echo three >> a.txt"), ends()];
    let first = code(&home, &script(&turns), &[]).expect_code(0);
    let id = first.session();
    let second = home.sessions(&["message", &id, "And three."]).expect_code(0);
    assert_eq!(second.of_kind("run.finished")[0]["run"], 2);
    assert_eq!(second.of_kind("pr.updated").len(), 1, "no second pull request");
    assert_eq!(second.branch().name, first.branch().name);
    let branch = second.branch();
    assert_eq!(branch.file("a.txt"), "one\ntwo\nthree");
    assert_eq!(branch.commits(), "3");
    assert_eq!(second.of_kind("tool.result")[0]["output"], "one\ntwo\n", "the run began where the first one ended");
}

#[test]
fn extending_the_budget_does_not_carry_out_a_rejected_plan() {
    let home = Home::new();
    // Enough for one plan and not for a second: each call reserves what it may cost at most, and the first one has cost something.
    let figures =
        home.code(&repository(&home, "another", &[("a.txt", "one\n")]), "Add two.", &two_plans(), &["--approve-plan"]);
    let reserved = figures.of_kind("budget.reserved")[0]["amount"].as_u64().unwrap();
    let settled = figures.of_kind("budget.settled")[0]["cost"].as_u64().unwrap();
    let max_cost = format!("0.{:06}", reserved + settled * 9 / 10);
    home.run(&["--json", "sessions", "cancel", &figures.session()]).expect_code(0);
    let waits = code(&home, &two_plans(), &["--approve-plan", "--max-cost", &max_cost]).expect_code(3);
    let id = waits.session();
    let spent = home.sessions(&["message", &id, "Never touch a.txt."]).expect_code(3);
    assert_eq!(spent.of_kind("wait.started").pop().unwrap()["reason"]["for"], "budget");
    let again = home.sessions(&["extend", &id, "--cost", "5"]).expect_code(3);
    assert_eq!(again.of_kind("plan.created").pop().unwrap()["content"]["title"], "The second plan");
    assert!(again.of_kind("turn.started").iter().all(|turn| turn["call"]["conversation"] == "plan"));
    home.sessions(&["reject", &id]).expect_code(4);

    // A message after the final rejection makes a new plan; the rejected one is not carried out.
    let next = home.sessions(&["message", &id, "In another way."]).expect_code(3);
    assert_eq!(next.of_kind("plan.created").len(), 1);
    home.sessions(&["cancel", &id]).expect_code(0);
}

#[test]
fn a_run_builds_on_a_commit_that_somebody_pushed_to_its_branch() {
    let home = Home::new();
    let turns = [bash("echo two >> a.txt"), ends(), bash("sleep 1; cat a.txt; echo three >> a.txt"), ends()];
    let first = code(&home, &script(&turns), &[]).expect_code(0);
    let branch = first.branch();
    let (url, clone) = (branch.repository.to_str().unwrap(), home.beside("theirs"));
    git(home.path(), &["clone", "--quiet", "--branch", &branch.name, url, clone.to_str().unwrap()]);
    let mut program = home.start_sessions(&["message", &first.session(), "And three."]);
    for event in program.by_ref() {
        if event["kind"] == "tool.started" && !clone.join("b.txt").exists() {
            std::fs::write(clone.join("b.txt"), "theirs\n").unwrap();
            git(&clone, &["add", "--all"]);
            git(&clone, &["commit", "--quiet", "--message=Theirs"]);
            git(&clone, &["push", "--quiet"]);
        }
    }
    assert_eq!(program.exit_code(), 0);
    assert_eq!(branch.file("a.txt"), "one\ntwo\nthree");
    assert_eq!(branch.file("b.txt"), "theirs");
}

#[test]
fn an_empty_reply_is_left_out_of_the_conversation() {
    let home = Home::new();
    let turns = [bash("echo two >> a.txt"), json!({})];
    let first = code(&home, &script(&turns), &[]).expect_code(0);
    // The service refuses empty messages in a conversation, so the program leaves them out; the stand-in, which finds the turn
    // by the conversation, plays the empty turn again. The run has changed nothing yet, so the model is asked once more.
    let second = home.sessions(&["message", &first.session(), "And three."]).expect_code(1);
    assert_eq!(second.of_kind("session.error")[0]["code"], "ModelGaveNoAnswer");
    assert_eq!(second.of_kind("model.replied").len(), 2);
}

#[test]
fn a_cancel_overrides_an_answer_that_was_not_acted_on() {
    let home = Home::new();
    let turns = [bash("echo two >> a.txt"), tools(&[("ask_user", json!({ "question": "Go on?" }))]), ends()];
    let waits = code(&home, &script(&turns), &[]).expect_code(3);
    let id = waits.session();
    home.sessions(&["message", &id, "yes", "--no-wait"]).expect_code(0);
    let kept = home.sessions(&["cancel", &id, "--keep-branch"]).expect_code(0);
    assert_eq!(kept.final_status(), "cancelled");
    assert_eq!(kept.of_kind("branch.published").len(), 1);
}

#[test]
fn an_expired_wait_publishes_a_draft_or_ends_the_run_as_expired() {
    let home = Home::new().with("BACKSPACE_ANSWER_SECONDS", "1");
    let asks = tools(&[("ask_user", json!({ "question": "Go on?" }))]);
    for (turns, ended, code) in
        [(vec![bash("echo two >> a.txt"), asks.clone(), ends()], "done", 0), (vec![asks, ends()], "expired", 4)]
    {
        let checkout = repository(&home, &format!("project-{ended}"), &[("a.txt", "one\n")]);
        let mut run = home.code(&checkout, "Add two.", &script(&turns), &[]);
        let id = run.session();
        // The wait expires on the clock; a `resume` before that exits with 3 again.
        while run.code == 3 {
            run = home.sessions(&["resume", &id]);
        }
        assert_eq!(run.code, code, "{}{}", run.stdout, run.stderr);
        let events = home.events(&id);
        assert_eq!(events.final_status(), ended);
        assert_eq!(events.of_kind("wait.ended").pop().unwrap()["outcome"], "expired");
        let drafts: Vec<Value> =
            events.of_kind("pr.opened").into_iter().map(|opened| opened["draft"].clone()).collect();
        assert_eq!(drafts.len(), usize::from(ended == "done"), "{drafts:?}");
        assert!(
            drafts.iter().all(|draft| draft.as_str().unwrap().contains("an answer that did not come")),
            "{drafts:?}"
        );
    }
}

#[test]
fn a_process_killed_while_it_releases_a_sandbox_leaves_that_to_the_next() {
    for kind in ["sandbox.terminating", "sandbox.terminated"] {
        let home = Home::new();
        let asks = tools(&[("ask_user", json!({ "question": "Go on?" }))]);
        let turns = [bash("echo two >> a.txt"), asks, bash("echo three >> a.txt"), ends()];
        let session = kill_at(&home, &script(&turns), |event| event["kind"] == kind);
        let answered = home.sessions(&["message", &session, "yes"]).expect_code(0);
        assert_eq!(answered.final_status(), "done", "killed at {kind}");
        let events = home.events(&session);
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
