//! Which requests are refused, and with which errors.

use axum::body::Body;
use domain::Principal;
use http_body_util::BodyExt as _;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Home, ServerProcess, answer, code_request, ends, repository, script};

#[track_caller]
fn expect(answer: (u16, Value), status: u16, code: &str) {
    assert_eq!((answer.0, answer.1["error"]["code"].as_str().unwrap_or_default()), (status, code), "{}", answer.1);
    assert!(!answer.1["error"]["message"].as_str().unwrap().is_empty());
    assert!(!answer.1["error"]["requestId"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn a_page_that_the_user_happens_to_visit_cannot_drive_the_server() {
    let home = Home::new();
    let served = ServerProcess::start(&home, &script(&[ends()]));
    let body = code_request(&repository(&home, "project", &[("a.txt", "one\n")]), "Do it.").to_string();
    let post = || served.request(Method::POST, "/code").body(body.clone());

    // A form on another origin's page, and a script that leaves the preflight out.
    let form = post().header("content-type", "text/plain").header("origin", "http://evil.example");
    expect(answer(form.send().await.unwrap()).await, 403, "Forbidden");
    expect(
        answer(post().header("content-type", "text/plain").send().await.unwrap()).await,
        415,
        "UnsupportedMediaType",
    );
    expect(answer(post().send().await.unwrap()).await, 415, "UnsupportedMediaType");
    let json = || post().header("content-type", "application/json");
    for origin in ["null", "http://evil.example", "http://localhost:5174", "https://localhost:5173"] {
        expect(answer(json().header("origin", origin).send().await.unwrap()).await, 403, "Forbidden");
    }
    // Another host name that resolves to this machine.
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8002", ""] {
        expect(answer(json().header("host", host).send().await.unwrap()).await, 403, "Forbidden");
    }
    let preflight = |origin: &'static str| {
        let request = served.request(Method::OPTIONS, "/code").header("origin", origin);
        request
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type")
            .send()
    };
    let foreign = preflight("http://evil.example").await.unwrap();
    assert!(foreign.status().as_u16() == 403 && !foreign.headers().contains_key("access-control-allow-origin"));
    let console = preflight("http://localhost:5173").await.unwrap();
    assert_eq!(console.headers()["access-control-allow-origin"], "http://localhost:5173");
    assert_eq!(served.get("/sessions").await.1["sessions"], json!([]), "nothing was started");
    let own = json().header("origin", served.address.clone()).header("prefer", "respond-async").send().await.unwrap();
    assert_eq!(own.status().as_u16(), 202);
    let session: Value = own.json().await.unwrap();
    served.watch(session["id"].as_str().unwrap(), 0).await;
}

#[tokio::test]
async fn oversized_requests_are_refused_with_the_limit() {
    let home = Home::new();
    let served = ServerProcess::start(&home, &script(&[ends()]));
    let code = async |body: String| {
        let request = served.request(Method::POST, "/code").header("content-type", "application/json").body(body);
        answer(request.send().await.unwrap()).await
    };
    let long = code(json!({ "repoUrl": "/x", "prompt": "x".repeat(1024 * 1024) }).to_string()).await;
    assert!(
        long.1["error"]["message"].as_str().unwrap().contains("1048576 bytes; the maximum is 262144"),
        "{}",
        long.1
    );
    expect(long, 400, "InvalidRequest");
    expect(code("x".repeat(5 * 1024 * 1024)).await, 413, "PayloadTooLarge");
    for body in ["", "{", "[]", "{\"repoUrl\": 1}", "{\"repoUrl\": \"/x\", \"prompt\": \"y\", \"surprise\": 1}"] {
        expect(code(body.to_owned()).await, 400, "InvalidRequest");
    }
    expect(code("[".repeat(100_000)).await, 400, "InvalidRequest");
    for prompt in ["", "  ", "a\u{0}b"] {
        expect(code(json!({ "repoUrl": "/x", "prompt": prompt }).to_string()).await, 400, "InvalidRequest");
    }
    let mut many = served.request(Method::GET, "/health");
    for n in 0..80 {
        many = many.header(format!("x-{n}"), "x");
    }
    expect(answer(many.send().await.unwrap()).await, 431, "HeadersTooLarge");
    let large = served.request(Method::GET, "/health").header("x-large", "x".repeat(20_000));
    expect(answer(large.send().await.unwrap()).await, 431, "HeadersTooLarge");
    expect(served.get(&format!("/sessions?cursor={}", "x".repeat(5000))).await, 414, "AddressTooLong");
    expect(served.get("/sessions?limit=0").await, 400, "InvalidRequest");
    expect(served.get("/sessions?surprise=1").await, 400, "InvalidRequest");
    expect(served.get("/nothing").await, 404, "NotFound");
    expect(served.get("/sessions/nobody").await, 404, "NotFound");
    expect(served.get("/sessions/..%2f..%2fetc%2fpasswd").await, 404, "NotFound");
    let wrong = served.request(Method::DELETE, "/code").send().await.unwrap();
    assert_eq!(wrong.headers()["allow"], "POST");
    expect(answer(wrong).await, 405, "MethodNotAllowed");
    let named = served.request(Method::GET, "/nothing").header("x-request-id", "mine-1").send().await.unwrap();
    assert_eq!(named.headers()["x-request-id"], "mine-1");
    assert_eq!(answer(named).await.1["error"]["requestId"], "mine-1");
}

#[tokio::test]
async fn a_session_of_another_owner_is_not_found_and_a_revoked_token_refused() {
    let home = Home::new();
    let served = ServerProcess::start(&home, &script(&[ends()]));
    let project = repository(&home, "project", &[("a.txt", "one\n")]);
    let token = async |principal: &str| {
        let (status, made) = served.post("/tokens", &json!({ "principal": principal })).await;
        assert_eq!(status, 201, "{made}");
        (made["id"].as_str().unwrap().to_owned(), made["token"].as_str().unwrap().to_owned())
    };
    let ((alice_id, alice), (_, bob)) = (token("alice").await, token("bob").await);
    let call = async |token: &str, method: Method, path: &str, body: Option<Value>| {
        let mut request = served.request(method, path).bearer_auth(token).header("accept", "application/json");
        if let Some(body) = body {
            request = request.json(&body);
        }
        answer(request.send().await.unwrap()).await
    };
    let (status, session) = call(&alice, Method::POST, "/code", Some(code_request(&project, "Do it."))).await;
    assert_eq!((status, &session["owner"]), (202, &Value::from("alice")));
    let path = format!("/sessions/{}", session["id"].as_str().unwrap());
    let watched = served.request(Method::GET, &format!("{path}/events")).bearer_auth(&alice).send().await.unwrap();
    crate::support::frames(watched).await;

    for look in ["", "/events", "/diff"] {
        assert_eq!(call(&alice, Method::GET, &format!("{path}{look}"), None).await.0, 200);
        expect(call(&bob, Method::GET, &format!("{path}{look}"), None).await, 404, "NotFound");
    }
    for (what, body) in [
        ("messages", json!({ "text": "hello" })),
        ("approve", json!({ "plan": "plan-1" })),
        ("reject", json!({})),
        ("extend", json!({ "turns": 1 })),
        ("cancel", json!({})),
    ] {
        expect(call(&bob, Method::POST, &format!("{path}/{what}"), Some(body)).await, 404, "NotFound");
    }
    assert_eq!(call(&bob, Method::GET, "/sessions", None).await.1["sessions"], json!([]));
    // Only admins see tokens.
    expect(call(&alice, Method::GET, "/tokens", None).await, 403, "Forbidden");
    expect(call(&alice, Method::POST, "/tokens", Some(json!({ "principal": "eve" }))).await, 403, "Forbidden");
    let listed = served.get("/tokens").await.1.to_string();
    assert!(!listed.contains(&alice) && !listed.contains("bsp_"), "{listed}");
    let database = std::fs::read(home.beside("data/backspace.db")).unwrap();
    let stored = database.windows(alice.len()).any(|window| window == alice.as_bytes());
    assert!(!stored, "the token itself is not stored");

    let revoked = served.request(Method::DELETE, &format!("/tokens/{alice_id}")).send().await.unwrap();
    assert_eq!(revoked.status().as_u16(), 204);
    expect(call(&alice, Method::GET, &path, None).await, 401, "Unauthorized");
}

#[tokio::test]
async fn without_anonymous_access_every_request_needs_a_token() {
    let home = Home::new();
    let data = home.beside("data").display().to_string();
    let settings = local::Settings::from(|name| (name == local::variables::BACKSPACE_HOME).then(|| data.clone()));
    let world = local::World::with_program(settings.unwrap(), local::KeepTree::No, crate::support::program()).unwrap();
    let live = std::sync::Arc::clone(&world.live);
    let (blobs, forge) = (std::sync::Arc::clone(&world.blobs), std::sync::Arc::clone(&world.forge));
    let api =
        web::Api::new(world.services(), blobs, forge, live, Err("no model".to_owned()), "claude-sonnet-5-5".to_owned());
    let hosts = web::Hosts::LoopbackOr(vec!["agents.example".to_owned()]);
    let policy = web::AccessPolicy { anonymous: web::AnonymousAccess::Refused, hosts, origins: Vec::new() };
    let router = web::router(&api, policy, axum::Router::new());
    let owner: Principal = "local".parse().unwrap();
    let new = domain::commands::NewToken {
        principal: owner,
        label: String::new(),
        days: Some(1),
        role: Some(domain::Role::Admin),
        repositories: None,
        max_concurrent_sessions: None,
        max_daily_cost: None,
    };
    let (token, _) = domain::commands::create_token(&world.services(), new).await.unwrap();
    let token = secrecy::ExposeSecret::expose_secret(token.secret()).to_owned();
    let call = async |path: &str, authorization: Option<String>| {
        let mut request = http::Request::get(path).header("host", "agents.example:8443");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let request = request.body(Body::empty()).unwrap();
        let service = hyper_util::service::TowerToHyperService::new(router.clone());
        let response = hyper::service::Service::call(&service, request).await.unwrap();
        let status = response.status().as_u16();
        let challenge = response.headers().contains_key("www-authenticate");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, challenge, serde_json::from_slice::<Value>(&body).unwrap_or_default())
    };
    for path in ["/sessions", "/", "/tokens", "/sessions/01K00000000000000000000001/events", "/nothing"] {
        for wrong in [None, Some(format!("Basic {token}")), Some(format!("Bearer {token}0")), Some("Bearer".to_owned())]
        {
            let (status, challenge, body) = call(path, wrong).await;
            assert!(challenge, "{path}");
            expect((status, body), 401, "Unauthorized");
        }
    }
    assert_eq!(call("/sessions", Some(format!("Bearer {token}"))).await.0, 200);
    assert_eq!(call("/tokens", Some(format!("bearer {token}"))).await.0, 200);
    assert_eq!(call("/health", None).await.0, 200, "health is public");
}
