//! Idempotency keys, and the quotas of principals: running sessions, cost, repositories.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Home, ServerProcess, answer, bash, code_request, ends, ids, repository, script};

async fn token(served: &ServerProcess, mut about: Value) -> String {
    about["principal"] = "alice".into();
    let (status, made) = served.post("/tokens", &about).await;
    assert_eq!(status, 201, "{made}");
    made["token"].as_str().unwrap().to_owned()
}

async fn code(served: &ServerProcess, token: &str, body: &Value) -> (u16, Value) {
    let request = served.request(Method::POST, "/code").bearer_auth(token).header("accept", "application/json");
    answer(request.json(body).send().await.unwrap()).await
}

#[tokio::test]
async fn a_repeated_request_with_the_same_key_gets_the_same_session() {
    let home = Home::new();
    let served = ServerProcess::start(&home, &script(&[ends()]));
    let body = code_request(&repository(&home, "project", &[("a.txt", "one\n")]), "Do it.");
    let send = |body: &Value| {
        let request = served.request(Method::POST, "/code").header("idempotency-key", "key-1");
        request.header("accept", "application/json").json(body).send()
    };
    let answers = futures_util::future::join_all((0..20).map(|_| send(&body))).await;
    let mut sessions = std::collections::BTreeSet::new();
    let mut new = 0;
    for response in answers {
        let response = response.unwrap();
        assert_eq!(response.status().as_u16(), 202);
        new += usize::from(!response.headers().contains_key("idempotent-replayed"));
        sessions.insert(response.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned());
    }
    assert_eq!((sessions.len(), new), (1, 1), "one session, and one answer that started it");
    let other = code_request(&home.beside("project"), "Do something else.");
    let (status, refused) = answer(send(&other).await.unwrap()).await;
    assert_eq!((status, &refused["error"]["code"]), (409, &Value::from("IdempotencyKeyReused")));
    // Another principal's key is another key.
    let alice = token(&served, json!({})).await;
    let request = served.request(Method::POST, "/code").bearer_auth(&alice).header("idempotency-key", "key-1");
    let hers = answer(request.header("accept", "application/json").json(&other).send().await.unwrap()).await;
    assert_eq!(hers.0, 202);
    let request = served.request(Method::GET, &format!("{}?after=0", hers.1["eventsUrl"].as_str().unwrap()));
    crate::support::frames(request.bearer_auth(&alice).send().await.unwrap()).await;
    served.watch(sessions.first().unwrap(), 0).await;
    let (_, listed) = served.get("/sessions").await;
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn sessions_beyond_the_maximum_are_queued_and_can_be_cancelled() {
    let home = Home::new();
    let served = ServerProcess::start(&home, &script(&[bash("sleep 1; echo two >> a.txt"), ends()]));
    let alice = token(&served, json!({ "maxConcurrentSessions": 1 })).await;
    let body = code_request(&repository(&home, "project", &[("a.txt", "one\n")]), "Add two.");
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(code(&served, &alice, &body).await.1);
    }
    let queued: Vec<bool> = sessions.iter().map(|session| session["queued"].is_string()).collect();
    assert_eq!(queued, [false, true, true], "{sessions:?}");
    let id = |n: usize| sessions[n]["id"].as_str().unwrap().to_owned();
    let cancelled = served.request(Method::POST, &format!("/sessions/{}/cancel", id(1))).bearer_auth(&alice);
    assert_eq!(cancelled.send().await.unwrap().status().as_u16(), 202);
    let mut ended = Vec::new();
    for n in 0..3 {
        let request = served.request(Method::GET, &format!("/sessions/{}/events", id(n))).bearer_auth(&alice);
        ended.push(crate::support::frames(request.send().await.unwrap()).await);
    }
    let status = |n: usize| ended[n].last().unwrap().data["status"].clone();
    assert_eq!([status(0), status(1), status(2)], ["done", "cancelled", "done"]);
    let at = |n: usize, kind: &str| {
        let found = ended[n].iter().find(|frame| frame.data["kind"] == kind).unwrap();
        found.data["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap()
    };
    assert!(at(2, "step.started") >= at(0, "run.finished"), "the third starts when the first is over");
    // All slots are released, if only a moment after the last frames: the fourth gets one.
    let (_, fourth) = code(&served, &alice, &body).await;
    let request = served.request(Method::GET, fourth["eventsUrl"].as_str().unwrap()).bearer_auth(&alice);
    let ended = crate::support::frames(request.send().await.unwrap()).await;
    assert_eq!(ended.last().unwrap().data["status"], "done");
}

#[tokio::test]
async fn a_request_beyond_the_quota_is_refused_before_anything_is_created() {
    let home = Home::new();
    let served = ServerProcess::start(&home, &script(&[bash("echo two >> a.txt"), ends()]));
    let project = repository(&home, "project", &[("a.txt", "one\n")]);
    let elsewhere = repository(&home, "elsewhere", &[("a.txt", "one\n")]);
    let allowed = json!({ "maxDailyCostUsd": 3.0, "repositories": [project] });
    let alice = token(&served, allowed).await;
    let with_cost = |cost: f64| {
        let mut body = code_request(&project, "Add two.");
        body["limits"] = json!({ "maxCostUsd": cost });
        body
    };
    for other in [
        elsewhere.display().to_string(),
        format!("{}/../elsewhere", project.display()),
        "https://example.invalid/x".to_owned(),
    ] {
        let refused = code(&served, &alice, &json!({ "repoUrl": other, "prompt": "Do it." })).await;
        assert_eq!((refused.0, &refused.1["error"]["code"]), (403, &Value::from("Forbidden")), "{other}");
    }
    let first = code(&served, &alice, &with_cost(2.0)).await;
    assert_eq!(first.0, 202);
    let request = served.request(Method::POST, "/code").bearer_auth(&alice).json(&with_cost(2.0));
    let refused = request.send().await.unwrap();
    assert!(refused.headers().contains_key("retry-after"));
    let (status, refused) = answer(refused).await;
    assert_eq!((status, &refused["error"]["code"]), (429, &Value::from("LimitReached")));
    assert!(refused["error"]["message"].as_str().unwrap().contains("$1.00"), "{refused}");
    let path = first.1["eventsUrl"].as_str().unwrap();
    let watched = served.request(Method::GET, path).bearer_auth(&alice).send().await.unwrap();
    let frames = crate::support::frames(watched).await;
    assert!(!ids(&frames).is_empty());
    // A narrowed quota also applies to existing sessions: a finished one continues only where a new one could start.
    let narrowed = served.post("/tokens", &json!({ "principal": "alice", "repositories": ["/nowhere"] })).await;
    assert_eq!(narrowed.0, 201);
    let path_of_first = first.1["id"].as_str().unwrap();
    let more = served.request(Method::POST, &format!("/sessions/{path_of_first}/messages")).bearer_auth(&alice);
    let more = answer(more.json(&json!({ "text": "Go on." })).send().await.unwrap()).await;
    assert_eq!((more.0, &more.1["error"]["code"]), (403, &Value::from("Forbidden")));
    served.post("/tokens", &json!({ "principal": "alice", "repositories": [project] })).await;
    // The unused part of the first reservation is released.
    let second = code(&served, &alice, &with_cost(2.5)).await;
    assert_eq!(second.0, 202, "{}", second.1);
    let watched = served.request(Method::GET, second.1["eventsUrl"].as_str().unwrap()).bearer_auth(&alice);
    crate::support::frames(watched.send().await.unwrap()).await;
}
