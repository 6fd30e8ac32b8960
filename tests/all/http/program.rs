//! The program's other commands while a server runs.

use serde_json::Value;

use crate::support::{Home, ServerProcess, bash, ends, repository, script};

#[tokio::test(flavor = "multi_thread")]
async fn commands_use_a_running_server_and_end_as_they_do_without_one() {
    let home = Home::new();
    let served = ServerProcess::start(&home, &script(&[bash("echo two >> a.txt"), ends()]));
    let project = repository(&home, "project", &[("a.txt", "one\n")]);
    let project = project.to_str().unwrap();
    let ran = home.run(&["--json", "code", project, "Add two."]).expect_code(0);
    let session = ran.session();
    let finished = ran.of_kind("run.finished").pop().unwrap();
    assert!(finished["pr_url"].as_str().unwrap().starts_with(&served.address), "the server drove it: {finished}");
    let listed = home.run(&["--json", "sessions", "list"]).expect_code(0).values();
    assert_eq!(listed[0]["id"], session.as_str());
    let same = &served.get("/sessions").await.1["sessions"][0];
    // Other fields may change between the two calls.
    for field in ["id", "repoUrl", "title", "createdAt", "run"] {
        assert_eq!(same[field], listed[0][field], "the same view");
    }
    let shown = home.run(&["--json", "sessions", "show", &session]).expect_code(0).values();
    assert_eq!(served.get(&format!("/sessions/{session}")).await.1, shown[0]);

    let asked = home.run(&["--json", "code", project, "Add two.", "--approve-plan"]).expect_code(3);
    let waiting = asked.session();
    let plan = asked.of_kind("wait.started").pop().unwrap()["reason"]["plan"].as_str().unwrap().to_owned();
    home.run(&["--json", "sessions", "approve", &waiting, "--plan", "plan-other"]).expect_code(5);
    let approved = home.run(&["--json", "sessions", "approve", &waiting, "--plan", &plan]).expect_code(0);
    assert_eq!(approved.of_kind("run.finished").len(), 1);
    let events: Vec<Value> = home.run(&["--json", "sessions", "events", &waiting]).expect_code(0).values();
    drop(served);
    // Without the server the same is read from the same log.
    assert_eq!(home.run(&["--json", "sessions", "events", &waiting]).expect_code(0).values(), events);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_created_listed_and_revoked_with_and_without_a_server() {
    let home = Home::new();
    let made = home.run(&["--json", "tokens", "create", "alice", "--max-sessions", "2", "--daily-cost", "7.5"]);
    let made = made.expect_code(0).values().remove(0);
    let served = ServerProcess::start(&home, &script(&[ends()]));
    let token = made["token"].as_str().unwrap();
    let request = || served.request(reqwest::Method::GET, "/sessions").bearer_auth(token).send();
    assert_eq!(request().await.unwrap().status().as_u16(), 200);
    let listed = home.run(&["--json", "tokens", "list"]).expect_code(0).values().remove(0);
    assert_eq!(listed["principals"][0]["maxDailyCostUsd"], 7.5);
    home.run(&["tokens", "revoke", made["id"].as_str().unwrap()]).expect_code(0);
    assert_eq!(request().await.unwrap().status().as_u16(), 401);
    home.run(&["tokens", "revoke", "token-nobody"]).expect_code(5);
    let second = home.run(&["serve", "--listen", "127.0.0.1:0"]).expect_code(5);
    assert!(second.stderr.contains("another server"), "{}", second.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_can_be_required_on_the_loopback_and_commands_need_none() {
    let home = Home::new();
    let (served, token) = ServerProcess::start_with_tokens(&home);
    assert_eq!(served.get("/sessions").await.0, 401);
    let known = served.request(reqwest::Method::GET, "/sessions").bearer_auth(&token).send().await.unwrap();
    assert_eq!(known.status().as_u16(), 200);
    home.run(&["sessions", "list"]).expect_code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_resumes_unfinished_sessions_and_reports_a_missing_key() {
    let home = Home::new();
    let project = repository(&home, "project", &[("a.txt", "one\n")]);
    let played = script(&[bash("echo two >> a.txt"), ends()]);
    let waiting = home.code(&project, "Add two.", &played, &["--approve-plan"]).expect_code(3);
    let session = waiting.session();
    let plan = waiting.of_kind("wait.started").pop().unwrap()["reason"]["plan"].as_str().unwrap().to_owned();
    home.run(&["sessions", "approve", &session, "--plan", &plan, "--no-wait"]).expect_code(0);
    let served = ServerProcess::start(&home, &played);
    assert_eq!(served.watch(&session, 0).await.last().unwrap().data["status"], "done");
    drop(served);

    let served = ServerProcess::start_without_model(&home);
    let (_, health) = served.get("/health").await;
    assert!(health["cannotStart"].as_str().unwrap().contains("ANTHROPIC_API_KEY"), "{health}");
    let (status, refused) = served.post("/code", &crate::support::code_request(&project, "Add two.")).await;
    assert_eq!((status, &refused["error"]["code"]), (503, &Value::from("Unavailable")));
}
