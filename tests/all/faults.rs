//! Every append to the log fails once, before or after it was written, and the session ends the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{AppendError, EventLog, Page, ReadError};
use domain::{Event, Seq, SessionId, Status, Unavailable, UncheckedRequest};
use local::{DriveOutcome, Store};

use crate::support::{Home, ends, repository, run_session_in, settings, tools, world};
use crate::verification::planned;

/// When the append that fails does so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fails {
    BeforeWriting,
    AfterWriting,
}

/// A log one of whose appends fails.
struct FaultyLog {
    store: Store,
    appends: AtomicUsize,
    fails_at: usize,
    fails: Fails,
}

impl FaultyLog {
    fn has_failed(&self) -> bool {
        self.appends.load(Ordering::SeqCst) >= self.fails_at
    }
}

#[async_trait]
impl EventLog for FaultyLog {
    async fn append(&self, session: &SessionId, after: Seq, batch: &[Event]) -> Result<(), AppendError> {
        let failing = self.appends.fetch_add(1, Ordering::SeqCst) + 1 == self.fails_at;
        let failure = AppendError::Unavailable(Unavailable::new(domain::Dependency::EventLog, "injected"));
        match (failing, self.fails) {
            (true, Fails::BeforeWriting) => Err(failure),
            (true, Fails::AfterWriting) => self.store.append(session, after, batch).await.and(Err(failure)),
            (false, _) => self.store.append(session, after, batch).await,
        }
    }

    async fn read(&self, session: &SessionId, after: Seq, limit: usize) -> Result<Page, ReadError> {
        self.store.read(session, after, limit).await
    }

    async fn wait(&self, session: &SessionId, after: Seq, timeout: Duration) -> Result<bool, Unavailable> {
        self.store.wait(session, after, timeout).await
    }

    async fn delete(&self, session: &SessionId) -> Result<(), Unavailable> {
        EventLog::delete(&self.store, session).await
    }
}

/// Runs a session whose `fails_at`-th append fails. Returns false when it made fewer appends.
async fn session_with_a_failure(home: &Home, fails_at: usize, fails: Fails) -> bool {
    let context = format!("append {fails_at} failed {fails:?}");
    let checkout = repository(home, &format!("project-{fails_at}-{fails:?}"), &[("a.txt", "one\n")]);
    let three_calls = tools(&[
        ("bash", serde_json::json!({ "command": "echo two >> a.txt" })),
        ("glob", serde_json::json!({ "pattern": "*" })),
        ("bash", serde_json::json!({ "command": "echo three >> a.txt" })),
    ]);
    let script = planned(&["test -e a.txt"], &[three_calls, ends()]);
    let draft = UncheckedRequest { prompt: "Add two and three.".to_owned(), ..UncheckedRequest::default() };
    let world = world(settings(&home.beside("data"), &[]));
    let event_log = Arc::new(FaultyLog { store: world.store.clone(), appends: AtomicUsize::new(0), fails_at, fails });
    let run = run_session_in(&world, &checkout, draft, &script, Arc::clone(&event_log) as _).await;
    assert_eq!(run.outcome, DriveOutcome::Ended(Status::Done), "{context}");

    let numbers: Vec<u64> = run.events.iter().map(|event| event.seq.0).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "{context}");
    for kind in ["plan.created", "branch.published", "pr.opened", "run.finished", "sandbox.attached"] {
        assert_eq!(run.of_kind(kind).len(), 1, "{kind}, {context}");
    }
    assert_eq!(run.of_kind("tool.result").len(), 3, "{context}");
    assert_eq!(run.of_kind("verification.recorded").len(), 1, "{context}");
    let checks = run.of_kind("check.finished");
    assert!(checks.len() == 1 && checks[0]["outcome"] == "passed", "{context}: {checks:?}");
    assert_eq!(run.branch().file("a.txt"), "one\ntwo\nthree", "{context}");
    assert_eq!(run.branch().commits(), "2", "the session made one commit, {context}");
    event_log.has_failed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_the_same_whichever_append_to_its_log_fails() {
    for fails in [Fails::BeforeWriting, Fails::AfterWriting] {
        let home = Home::new();
        let mut failed = 0;
        while session_with_a_failure(&home, failed + 1, fails).await {
            failed += 1;
        }
        assert!(failed > 20, "only {failed} appends failed");
    }
}
