//! Where a stream begins: at its viewer's place.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use domain::commands::{Services, Start, start};
use domain::ports::{AppendError, EventLog, LiveReply, LiveText as _, Page, ReadError};
use domain::{
    Attempt, Author, BudgetReserved, BudgetSettled, CallKey, Conversation, Event, MicroDollars, Seq, SessionId,
    TurnNumber, TurnStarted, Unavailable, UncheckedRequest, UserMessage,
};
use http_body_util::BodyExt as _;
use local::Store;

use crate::support::{Home, settings, start_request, world};

/// A log that notes which events are read.
struct NotedLog {
    store: Store,
    read: Mutex<Vec<Seq>>,
}

#[async_trait]
impl EventLog for NotedLog {
    async fn append(&self, session: &SessionId, after: Seq, batch: &[Event]) -> Result<(), AppendError> {
        self.store.append(session, after, batch).await
    }

    async fn read(&self, session: &SessionId, after: Seq, limit: usize) -> Result<Page, ReadError> {
        let page = self.store.read(session, after, limit).await?;
        self.read.lock().unwrap().extend(page.events.iter().map(|event| event.seq));
        Ok(page)
    }

    async fn wait(&self, session: &SessionId, after: Seq, timeout: Duration) -> Result<bool, Unavailable> {
        self.store.wait(session, after, timeout).await
    }

    async fn delete(&self, session: &SessionId) -> Result<(), Unavailable> {
        EventLog::delete(&self.store, session).await
    }
}

async fn open(router: &Router, session: &SessionId, after: u64) -> Body {
    let request = http::Request::get(format!("/sessions/{session}/events?after={after}")).body(Body::empty()).unwrap();
    let service = hyper_util::service::TowerToHyperService::new(router.clone());
    hyper::service::Service::call(&service, request).await.unwrap().into_body()
}

/// Reads a stream up to the frame of an event. Returns the ids of the frames; there must be no live text among them.
async fn ids_up_to(stream: &mut Body, last: u64) -> Vec<u64> {
    let mut ids = Vec::new();
    while ids.last() != Some(&last) {
        let chunk = stream.frame().await.unwrap().unwrap().into_data().unwrap();
        let text = String::from_utf8(chunk.to_vec()).unwrap();
        assert!(!text.contains("event: delta"), "{text}");
        ids.extend(text.lines().filter_map(|line| line.strip_prefix("id: ")).map(|id| id.parse::<u64>().unwrap()));
    }
    ids
}

#[tokio::test]
async fn a_stream_reads_the_log_from_its_viewers_place_on() {
    let home = Home::new();
    let world = world(settings(&home.beside("data"), &[]));
    let noted = Arc::new(NotedLog { store: world.store.clone(), read: Mutex::default() });
    let services = Services { event_log: Arc::clone(&noted) as _, ..world.services() };
    let draft =
        UncheckedRequest { repo_url: "/x".to_owned(), prompt: "Do it.".to_owned(), ..UncheckedRequest::default() };
    let begin: Start = start_request(&world, "local", draft);
    let session = start(&services, begin).await.unwrap().session.id;
    let call = CallKey { conversation: Conversation::Main, turn: TurnNumber(1), attempt: Attempt(1) };
    let (amount, cost) = (MicroDollars(1), MicroDollars(1));
    let mut log = services.logs().open(&session).await.unwrap();
    let model = "m".to_owned();
    log.append(vec![
        BudgetReserved { call, amount }.into(),
        TurnStarted { call, up_to: log.state().tail, model, max_tokens: 1 }.into(),
        BudgetSettled { call, cost }.into(),
    ])
    .await
    .unwrap();
    let message = |text: &str| {
        let (conversation, author) = (Conversation::Main, Author::User);
        UserMessage { conversation, author, text: text.to_owned(), answers: None }.into()
    };
    log.append(vec![message("one"), message("two")]).await.unwrap();
    log.store_snapshot().await.unwrap();
    let end = log.state().tail.0;
    // The reply of a call that has ended, whose end the viewer has seen.
    let (conversation, turn, attempt) = (call.conversation, call.turn, call.attempt);
    let reply = LiveReply { conversation, turn, attempt, offset: 0, text: "outdated".to_owned() };
    world.live.show(&session, &reply).await.unwrap();

    let (blobs, forge, live) = (Arc::clone(&world.blobs), Arc::clone(&world.forge), Arc::clone(&world.live));
    let api = web::Api::new(services, blobs, forge, live, Err("not needed".to_owned()), "m".to_owned());
    let owner = web::AnonymousAccess::As("local".parse().unwrap());
    let policy = web::AccessPolicy { anonymous: owner, hosts: web::Hosts::Any, origins: Vec::new() };
    let router = web::router(&api, policy, Router::new());
    noted.read.lock().unwrap().clear();
    let mut late = open(&router, &session, end - 1).await;
    assert_eq!(ids_up_to(&mut late, end).await, [end]);
    assert!(noted.read.lock().unwrap().iter().all(|seq| seq.0 >= end - 1), "{:?}", noted.read);

    // Another viewer, at an earlier place, of the same session.
    let mut early = open(&router, &session, 1).await;
    assert_eq!(ids_up_to(&mut early, end).await, (2..=end).collect::<Vec<_>>());
    log.append(vec![message("three")]).await.unwrap();
    assert_eq!(ids_up_to(&mut late, end + 1).await, [end + 1]);
    assert_eq!(ids_up_to(&mut early, end + 1).await, [end + 1]);
}
