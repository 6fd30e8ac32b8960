//! Plans that are none.

use domain::Status;
use local::DriveOutcome;
use serde_json::json;

use super::run_script;
use crate::support::{Home, bash, ends};

#[tokio::test]
async fn a_text_that_is_no_plan_becomes_the_plans_summary_and_the_work_goes_on() {
    let said = "First I look at a.txt, then I add a line.";
    let home = Home::new();
    let script = json!({ "plan": said, "turns": [bash("echo two >> a.txt"), ends()] });
    let run = run_script(&home, &script, &[]).await;
    assert_eq!(run.outcome, DriveOutcome::Ended(Status::Done));
    let plans = run.requests.len() - run.main_requests().len();
    assert_eq!(plans, 3, "it was corrected twice");
    let plan = run.of_kind("plan.created").pop().unwrap();
    assert!(plan["content"]["summary"].as_str().unwrap().contains(said), "{plan}");
    assert_eq!(plan["content"]["title"], run.of_kind("session.created")[0]["prompt"]);
    assert_eq!(plan["content"]["confidence"]["value"], 0.0);
    let decision = run.of_kind("decision.recorded").pop().unwrap();
    assert!(decision["reason"].as_str().unwrap().contains("could still not be read as a plan"), "{decision}");
    assert!(run.of_kind("score.recorded").iter().all(|score| score["name"] != "plan_confidence"), "it stated none");
    assert_eq!(run.of_kind("plan.approved").len(), 1);
    assert_eq!(run.branch().file("a.txt"), "one\ntwo");
}
