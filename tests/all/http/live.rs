//! Live text and heartbeats, on the stream of a session that has no driver.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use domain::commands::{Start, start};
use domain::ports::{LiveReply, LiveText as _, Sessions as _};
use domain::{Attempt, Conversation, SessionId, TurnNumber, UncheckedRequest};
use http_body_util::BodyExt as _;
use local::{KeepTree, Settings, World, variables};

use crate::support::{Home, program};

struct Watching {
    world: World,
    session: SessionId,
    body: Body,
}

async fn watching(home: &Home, heartbeat: Duration) -> Watching {
    let data = home.beside("data").display().to_string();
    let settings = Settings::from(|name| (name == variables::BACKSPACE_HOME).then(|| data.clone())).unwrap();
    let world = World::with_program(settings, KeepTree::No, program()).unwrap();
    let setup = world.setup().unwrap();
    let owner: domain::Principal = "local".parse().unwrap();
    let draft =
        UncheckedRequest { repo_url: "/x".to_owned(), prompt: "Do it.".to_owned(), ..UncheckedRequest::default() };
    let request = draft.check("claude-sonnet-5-5", domain::Network::None).unwrap();
    let begin = Start { owner: owner.clone(), request, setup: setup.clone(), key: None };
    let session = start(&world.services(), begin).await.unwrap().session.id;
    let (blobs, forge, live) = (Arc::clone(&world.blobs), Arc::clone(&world.forge), Arc::clone(&world.live));
    let api = web::Api::new(world.services(), blobs, forge, live, Ok(setup), "claude-sonnet-5-5".to_owned());
    let api = api.with_limits(web::Limits { heartbeat, streams: 1, ..web::Limits::default() });
    let policy =
        web::AccessPolicy { anonymous: web::AnonymousAccess::As(owner), hosts: web::Hosts::Any, origins: Vec::new() };
    let router = web::router(&api, policy, Router::new());
    let response = open(&router, &session).await;
    assert_eq!(response.status().as_u16(), 200);
    let second = open(&router, &session).await;
    assert_eq!(second.status().as_u16(), 429, "one stream is the maximum");
    assert!(second.headers().contains_key("retry-after"));
    let asked = http::Request::post("/code").header("content-type", "application/json").header("content-length", "35");
    let asked = asked.body(Body::from(r#"{"repoUrl": "/x", "prompt": "Again"}"#)).unwrap();
    let service = hyper_util::service::TowerToHyperService::new(router.clone());
    let refused = hyper::service::Service::call(&service, asked).await.unwrap();
    let sessions = world.store.list(None, None, 10).await.unwrap();
    assert_eq!(
        (refused.status().as_u16(), sessions.len()),
        (429, 1),
        "a request that is refused a stream starts no session"
    );
    Watching { world, session, body: response.into_body() }
}

async fn open(router: &Router, session: &SessionId) -> http::Response<Body> {
    let request = http::Request::get(format!("/sessions/{session}/events")).body(Body::empty()).unwrap();
    let service = hyper_util::service::TowerToHyperService::new(router.clone());
    hyper::service::Service::call(&service, request).await.unwrap()
}

impl Watching {
    /// The next chunk that contains `what`.
    async fn until(&mut self, what: &str) -> String {
        loop {
            let frame = self.body.frame().await.unwrap().unwrap();
            let text = String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap();
            if text.contains(what) {
                return text;
            }
        }
    }

    async fn show(&self, attempt: u32, offset: usize, text: &str) {
        let (conversation, turn, attempt) = (Conversation::Main, TurnNumber(1), Attempt(attempt));
        let reply = LiveReply { conversation, turn, attempt, offset, text: text.to_owned() };
        self.world.live.show(&self.session, &reply).await.unwrap();
    }

    async fn delta(&mut self) -> (u64, String) {
        let text = self.until("delta").await;
        assert!(text.starts_with("event: delta\ndata: ") && !text.contains("\nid:"), "{text}");
        let data: serde_json::Value =
            serde_json::from_str(text.lines().nth(1).unwrap().trim_start_matches("data: ")).unwrap();
        (data["offset"].as_u64().unwrap(), data["text"].as_str().unwrap().to_owned())
    }
}

#[tokio::test]
async fn a_viewer_sees_a_reply_while_it_is_written_and_only_its_new_text() {
    let home = Home::new();
    let mut watching = watching(&home, Duration::from_secs(600)).await;
    watching.until("run.started").await;
    watching.show(1, 0, "Größe").await;
    assert_eq!(watching.delta().await, (0, "Größe".to_owned()));
    watching.show(1, 0, "Größe und").await;
    assert_eq!(watching.delta().await, (5, " und".to_owned()), "the offset counts characters");
    watching.show(1, 0, "Größe [REDACTED]").await;
    assert_eq!(watching.delta().await, (6, "[REDACTED]".to_owned()), "redacted text replaces what was shown");
    watching.show(1, 6, "[REDACTED] ist").await;
    assert_eq!(watching.delta().await, (16, " ist".to_owned()), "only the end of the reply is shown");
    watching.show(1, 20, "groß").await;
    assert_eq!(watching.delta().await, (20, "groß".to_owned()), "it directly follows what was shown");
    watching.show(1, 99, "und gut").await;
    assert_eq!(watching.delta().await, (99, "und gut".to_owned()), "a part is missing, as the offset shows");
    watching.show(2, 0, "Gr").await;
    assert_eq!(watching.delta().await, (0, "Gr".to_owned()), "another attempt starts over");
}

#[tokio::test]
async fn a_silent_stream_sends_heartbeats() {
    let home = Home::new();
    let mut watching = watching(&home, Duration::from_millis(10)).await;
    for _ in 0..3 {
        assert_eq!(watching.until(": hb").await, ": hb\n\n", "without an id");
    }
}
