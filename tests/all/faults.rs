//! Every single write to the log fails once, before or after it was done, and the session comes to the same end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::commands::{Start, start};
use domain::ports::{AppendError, EventLog, elapsed};
use domain::{Event, EventBody, Seq, SessionId, Status, Unavailable, UncheckedRequest};
use jiff::Timestamp;
use local::{DriveOutcome, KeepTree, Settings, Store, WaitPolicy, WallClock, World, drive_session, variables};
use stand_ins::claude::{Script, Server, Settings as StandIn};

use crate::support::{Home, bash, ends, git, program, repository, script, tools};

/// Whether the write that fails was done all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fails {
    BeforeItIsDone,
    AfterItIsDone,
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
            (true, Fails::BeforeItIsDone) => Err(failure),
            (true, Fails::AfterItIsDone) => self.store.append(session, after, batch).await.and(Err(failure)),
            (false, _) => self.store.append(session, after, batch).await,
        }
    }

    async fn read(&self, session: &SessionId, after: Seq, limit: usize) -> Result<Vec<Event>, Unavailable> {
        self.store.read(session, after, limit).await
    }

    async fn wait(&self, session: &SessionId, after: Seq, at_most: Duration) -> Result<(), Unavailable> {
        self.store.wait(session, after, at_most).await
    }
}

/// Time in which the workflow's pauses take none.
#[derive(Default)]
pub(crate) struct Hurried {
    ahead: std::sync::Mutex<Duration>,
}

#[async_trait]
impl asl::Time for Hurried {
    fn now(&self) -> Timestamp {
        domain::ports::Clock::now(&WallClock) + *self.ahead.lock().unwrap()
    }

    async fn sleep_until(&self, at: Timestamp) {
        let pause = elapsed(self.now(), at);
        // A time-out of a task is minutes away and stays a real one; a pause between tries is skipped.
        if pause > Duration::from_secs(100) {
            tokio::time::sleep(pause).await;
        } else {
            *self.ahead.lock().unwrap() += pause;
        }
    }
}

/// Runs a session whose `fails_at`-th write fails; false when it made fewer writes.
async fn session_with_a_failure(home: &Home, fails_at: usize, fails: Fails) -> bool {
    let data = home.beside("data").display().to_string();
    let settings = Settings::from(|name| (name == variables::BACKSPACE_HOME).then(|| data.clone())).unwrap();
    let world = World::with_program(settings, KeepTree::No, program()).unwrap();
    let checkout = repository(home, &format!("project-{fails_at}-{fails:?}"), &[("a.txt", "one\n")]);
    let two = tools(&[
        ("bash", serde_json::json!({ "command": "echo two >> a.txt" })),
        ("glob", serde_json::json!({ "pattern": "*" })),
        ("bash", serde_json::json!({ "command": "echo three >> a.txt" })),
    ]);
    let script = script(&[two, bash("cat a.txt"), ends()]).to_string();
    let server = Server::bind("127.0.0.1:0", Script::parse(&script).unwrap(), StandIn::default()).await.unwrap();
    let event_log = Arc::new(FaultyLog { store: world.store.clone(), appends: AtomicUsize::new(0), fails_at, fails });
    let interpreter = world
        .interpreter_over(Arc::clone(&event_log) as _, Arc::new(Hurried::default()), &server.url(), "key".into())
        .unwrap();
    let draft = UncheckedRequest {
        repo_url: checkout.display().to_string(),
        prompt: "Add two and three.".to_owned(),
        ..UncheckedRequest::default()
    };
    let request = draft.check("claude-sonnet-5-5").unwrap();
    let begin = Start { owner: "local".parse().unwrap(), request, setup: world.setup().unwrap(), key: None };
    let session = start(&world.services(), begin).await.unwrap().session;
    let outcome = drive_session(&world, &interpreter, &session.id, WaitPolicy::Release).await.unwrap().unwrap();
    let what = format!("write {fails_at} failed {fails:?}");
    assert_eq!(outcome, DriveOutcome::Ended(Status::Done), "{what}");

    let events = domain::read_all(&world.store, &session.id, Seq(0)).await.unwrap();
    let numbers: Vec<u64> = events.iter().map(|event| event.seq.0).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "{what}");
    let count = |kind: &str| events.iter().filter(|event| event.body.kind() == kind).count();
    let once = ["plan.created", "branch.published", "pr.opened", "run.finished", "sandbox.attached"];
    for kind in once {
        assert_eq!(count(kind), 1, "{kind}, {what}");
    }
    assert_eq!(count("tool.result"), 4, "{what}");
    let published = events.iter().find_map(|event| match &event.body {
        EventBody::BranchPublished(published) => Some(published),
        _ => None,
    });
    let published = published.unwrap();
    let repository = published.url.trim_start_matches("file://");
    let content = git(std::path::Path::new(repository), &["show", &format!("{}:a.txt", published.branch)]);
    assert_eq!(content, "one\ntwo\nthree", "{what}");
    let log_of_branch = git(std::path::Path::new(repository), &["rev-list", "--count", published.branch.as_str()]);
    assert_eq!(log_of_branch, "2", "one commit, {what}");
    server.shutdown().await;
    event_log.has_failed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_comes_to_the_same_end_whichever_write_to_its_log_fails() {
    for fails in [Fails::BeforeItIsDone, Fails::AfterItIsDone] {
        let home = Home::new();
        let mut failed = 0;
        while session_with_a_failure(&home, failed + 1, fails).await {
            failed += 1;
        }
        assert!(failed > 20, "only {failed} writes were made to fail");
    }
}
