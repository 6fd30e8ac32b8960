//! Limits: announced, reached, extended; and the dollars right whatever happens.

use domain::{Status, UncheckedLimits, UncheckedRequest};
use local::DriveOutcome;
use serde_json::{Value, json};

use super::{checkout, draft, played};
use crate::recovery::{killed_at, resume};
use crate::support::{Home, Played, bash, ends, last_blocks, play, script};

fn turns(commands: usize) -> Value {
    let mut turns: Vec<Value> = (0..commands).map(|n| bash(&format!("echo {n} >> a.txt"))).collect();
    turns.push(ends());
    script(&turns)
}

async fn limited(home: &Home, limits: UncheckedLimits, script: &Value) -> Played {
    play(home, &checkout(home), UncheckedRequest { limits: Some(limits), ..draft() }, &[], script).await
}

fn sum(frames: &[Value], of: &str) -> u64 {
    frames.iter().map(|frame| frame[of].as_u64().unwrap()).sum()
}

#[tokio::test]
async fn a_limit_that_is_near_is_announced_once_and_after_the_results() {
    let home = Home::new();
    let limits = UncheckedLimits { max_turns: Some(6), ..UncheckedLimits::default() };
    let played = limited(&home, limits, &turns(5)).await;
    assert_eq!(played.outcome, DriveOutcome::Ended(Status::Done));
    let near = played.of_kind("budget.nearing");
    assert_eq!(near.len(), 1);
    assert_eq!((&near[0]["limit"], &near[0]["left"]), (&json!("turns"), &json!("2 of 6 turns are left")));
    let hinted: Vec<usize> = played
        .main_requests()
        .iter()
        .enumerate()
        .filter(|(_, request)| {
            last_blocks(request).iter().any(|block| block["text"].as_str().unwrap_or_default().contains("2 of 6 turns"))
        })
        .map(|(number, _)| number)
        .collect();
    assert_eq!(hinted, [4], "in the request for the fifth turn");
    let blocks = last_blocks(played.main_requests()[4]);
    assert_eq!(blocks.iter().map(|block| block["type"].as_str().unwrap()).collect::<Vec<_>>(), ["tool_result", "text"]);
}

#[tokio::test]
async fn money_that_is_nearly_spent_is_announced_while_a_reply_can_still_be_paid() {
    // What one session costs: set aside for a reply, and spent by the plan and the first turn.
    let home = Home::new();
    let figures = limited(&home, UncheckedLimits::default(), &turns(2)).await;
    let reserved = figures.of_kind("budget.reserved").last().unwrap()["amount"].as_u64().unwrap();
    let spent = sum(&figures.of_kind("budget.settled")[..2], "cost");

    let home = Home::new();
    let most = (reserved * 3 / 2 + spent) as f64 / 1e6;
    let limits = UncheckedLimits { max_cost_usd: Some(most), ..UncheckedLimits::default() };
    let played = limited(&home, limits, &turns(2)).await;
    assert_eq!(played.outcome, DriveOutcome::Ended(Status::Done));
    let near = played.of_kind("budget.nearing");
    assert_eq!((near.len(), &near[0]["limit"]), (1, &json!("cost")), "{near:?}");
}

#[tokio::test]
async fn a_limit_that_is_reached_is_named() {
    for (limits, named) in [
        (UncheckedLimits { max_turns: Some(1), ..UncheckedLimits::default() }, "turns"),
        (UncheckedLimits { max_cost_usd: Some(0.0001), ..UncheckedLimits::default() }, "cost"),
    ] {
        let home = Home::new();
        let played = limited(&home, limits, &turns(2)).await;
        assert_eq!(played.outcome, DriveOutcome::AwaitingUser);
        assert_eq!(played.of_kind("budget.exhausted")[0]["which"], named);
        let wait = played.of_kind("wait.started").remove(0);
        assert_eq!((&wait["reason"]["for"], &wait["reason"]["which"]), (&json!("budget"), &json!(named)));
        // Nothing is left behind of what waits.
        let id = wait["sessionId"].as_str().unwrap();
        home.run(&["--json", "sessions", "cancel", id]).expect_code(0);
    }
}

#[test]
fn a_limit_that_was_extended_is_announced_again_when_it_is_near_again() {
    let home = Home::new();
    let waits = home.code(&checkout(&home), "Add.", &turns(5), &["--max-turns", "3"]).expect_code(3);
    assert_eq!(waits.of_kind("budget.nearing").len(), 1);
    let (id, file) = (waits.session(), home.beside("script.json"));
    let extend = ["--json", "sessions", "extend", &id, "--turns", "3", "--script", file.to_str().unwrap()];
    let done = home.run(&extend).expect_code(0);
    assert_eq!(done.of_kind("budget.nearing")[0]["left"], "2 of 6 turns are left");
    assert_eq!(done.of_kind("run.finished")[0]["totals"]["turns"], 6);
}

#[tokio::test]
async fn whatever_breaks_off_is_asked_again_and_every_request_is_settled_once() {
    for kind in ["cut", "errorEvent"] {
        let home = Home::new();
        let mut broken = bash("echo two >> a.txt");
        broken["fault"] = json!({ "kind": kind, "times": 2 });
        let played = played(&home, &script(&[broken, bash("echo three >> a.txt"), ends()]), &[]).await;
        assert_eq!(played.outcome, DriveOutcome::Ended(Status::Done), "{kind}");
        let (reserved, settled) = (played.of_kind("budget.reserved"), played.of_kind("budget.settled"));
        let calls = |frames: &[Value]| frames.iter().map(|frame| frame["call"].to_string()).collect::<Vec<_>>();
        assert_eq!(calls(&reserved), calls(&settled), "{kind}");
        assert_eq!(reserved.len(), played.requests.len(), "one reservation for one request, {kind}");
        let totals = &played.of_kind("run.finished")[0]["totals"];
        assert_eq!(totals["cost"].as_u64(), Some(sum(&settled, "cost")), "{kind}");
        assert_eq!(totals["turns"], 3, "what broke off is no turn, {kind}");
        assert_eq!(played.of_kind("tool.result").len(), 2, "{kind}");
        let replied = sum(&played.of_kind("budget.settled"), "cost");
        let whole: u64 = played
            .events
            .iter()
            .map(|event| match &event.body {
                domain::EventBody::ModelReplied(replied) => replied.cost.0,
                _ => 0,
            })
            .sum();
        assert!(replied >= whole, "what was begun and broke off may have been billed, {kind}");
    }
}

#[test]
fn a_call_whose_outcome_is_not_known_counts_as_it_was_reserved() {
    let home = Home::new();
    let mut stalls = bash("echo two >> a.txt");
    stalls["fault"] = json!({ "kind": "stall", "times": 1 });
    let session = killed_at(&home, &script(&[stalls, ends()]), |frame| {
        frame["kind"] == "turn.started" && frame["call"]["conversation"] == "main"
    });
    home.write("script.json", &script(&[bash("echo two >> a.txt"), ends()]).to_string());
    let done = resume(&home, &session).expect_code(0);
    let events = home.run(&["--json", "sessions", "events", &session]);
    let (reserved, settled) = (events.of_kind("budget.reserved"), events.of_kind("budget.settled"));
    let open: Vec<&Value> =
        reserved.iter().filter(|one| !settled.iter().any(|other| other["call"] == one["call"])).collect();
    assert_eq!(open.len(), 1, "the call that nobody saw the end of");
    let expected = sum(&settled, "cost") + open[0]["amount"].as_u64().unwrap();
    assert_eq!(done.of_kind("run.finished")[0]["totals"]["cost"].as_u64(), Some(expected));
}
