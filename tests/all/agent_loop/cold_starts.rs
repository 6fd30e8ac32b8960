//! A session whose every step knows nothing of it, as in functions that share no memory.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{AppendError, EventLog, Page, ReadError};
use domain::state::SessionState;
use domain::{Event, Seq, SessionId, SessionLogs, Status, Unavailable, UncheckedRequest};
use local::{DriveOutcome, Store, WallClock};
use serde_json::Value;

use crate::support::{Home, bash, ends, repository, run_session_with, script, settings, world};

/// A log that notes after which event each read begins, and how many events it returns.
struct NotedLog {
    store: Store,
    reads: Mutex<Vec<(Seq, usize)>>,
}

#[async_trait]
impl EventLog for NotedLog {
    async fn append(&self, session: &SessionId, after: Seq, batch: &[Event]) -> Result<(), AppendError> {
        self.store.append(session, after, batch).await
    }

    async fn read(&self, session: &SessionId, after: Seq, limit: usize) -> Result<Page, ReadError> {
        let page = self.store.read(session, after, limit).await?;
        self.reads.lock().unwrap().push((after, page.events.len()));
        Ok(page)
    }

    async fn wait(&self, session: &SessionId, after: Seq, timeout: Duration) -> Result<bool, Unavailable> {
        self.store.wait(session, after, timeout).await
    }

    async fn delete(&self, session: &SessionId) -> Result<(), Unavailable> {
        EventLog::delete(&self.store, session).await
    }
}

/// The messages of a request without the marks for the service's cache, which move.
fn messages(request: &Value) -> Vec<Value> {
    let mut messages = request["messages"].as_array().unwrap().clone();
    for block in messages.iter_mut().flat_map(|message| message["content"].as_array_mut().unwrap()) {
        block.as_object_mut().unwrap().remove("cache_control");
    }
    messages
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_that_share_no_memory_send_one_conversation() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let turns: Vec<Value> = (0..20).map(|turn| bash(&format!("seq {turn} 9000; echo {turn} >> a.txt"))).collect();
    let script = script(&[turns, vec![ends()]].concat());
    let world = world(settings(&home.beside("data"), &[]));
    let log = Arc::new(NotedLog { store: world.store.clone(), reads: Mutex::default() });
    let (store, blobs) = (Arc::new(world.store.clone()), Arc::clone(&world.blobs));
    let logs = SessionLogs::new(Arc::clone(&log) as _, store, blobs, Arc::new(WallClock)).uncached();
    let draft = UncheckedRequest { prompt: "Count.".to_owned(), ..UncheckedRequest::default() };
    let run = run_session_with(&world, &checkout, draft, &script, logs).await;
    assert_eq!(run.outcome, DriveOutcome::Ended(Status::Done));

    let requests: Vec<Vec<Value>> = run.main_requests().into_iter().map(messages).collect();
    assert_eq!(requests.len(), 21);
    for pair in requests.windows(2) {
        assert!(pair[1].starts_with(&pair[0]), "what was sent once is sent again");
    }
    let (last, reads) = (run.events.last().unwrap().seq.0, log.reads.lock().unwrap().clone());
    assert!(last > 300, "the session has only {last} events");
    let from_start = reads.iter().filter(|(after, _)| *after == Seq(0)).map(|(_, events)| *events).max();
    assert!(from_start < Some(150), "a log of {from_start:?} events was read from its beginning");
    let longest = reads.iter().map(|(_, events)| *events).max();
    assert!(longest < Some(150), "a read returned {longest:?} events");

    // Whatever state a session is in can be stored.
    let mut state = SessionState::default();
    for event in &run.events {
        state.apply(event);
        let stored = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<SessionState>(&stored).unwrap(), state, "after {}", event.body.kind());
    }
}
