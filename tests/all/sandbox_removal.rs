//! The sandbox of a run is removed after the run's last event, later when its provider is down. A sandbox that cannot be used is left
//! and removed like the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use agent::{ExecuteTool, Finish, ToolLimits};
use asl::{Failure, TaskCall, Tasks};
use async_trait::async_trait;
use domain::commands::{CommandError, Conflict, Services, delete, message, start};
use domain::ports::{
    ByteConnection, Clock, ListedSandbox, Sandbox, SandboxError, SandboxSpec, Sandboxes, SealedHandle, Sessions as _,
    all_unfinished,
};
use domain::{
    Dependency, Event, EventBody, RunNumber, SandboxId, Seq, SessionId, Status, Step, Unavailable, UncheckedRequest,
};
use futures_util::io::Cursor;
use jiff::{SignedDuration, Timestamp};
use local::{DriveOutcome, StepTasks, WaitPolicy, WallClock, World, drive_session};
use sandbox_protocol::{Greeting, Layout, encode};
use serde_json::Value;
use stand_ins::claude::{Script, Server, Settings as StandIn};

use crate::support::{
    FastForward, Home, PublishedBranch, bash, ends, repository, script, settings, start_request, tools, world,
};

/// A provider of sandboxes that is down at times, and whose supervisors are of another version once.
struct Provider {
    sandboxes: Arc<dyn Sandboxes>,
    down: AtomicBool,
    updated: AtomicBool,
}

#[async_trait]
impl Sandboxes for Provider {
    fn provider(&self) -> &'static str {
        self.sandboxes.provider()
    }

    fn max_lifetime(&self) -> Duration {
        self.sandboxes.max_lifetime()
    }

    async fn create(&self, spec: &SandboxSpec) -> Result<Sandbox, SandboxError> {
        self.sandboxes.create(spec).await
    }

    async fn connect(&self, id: &SandboxId, handle: &SealedHandle) -> Result<Box<dyn ByteConnection>, SandboxError> {
        if self.updated.swap(false, Ordering::SeqCst) {
            let greeting = Greeting { toolbox: 99, ..Greeting::new(Layout::default()) };
            return Ok(Box::new(Cursor::new(encode(&greeting, b"").unwrap())));
        }
        self.sandboxes.connect(id, handle).await
    }

    async fn list(&self, session: Option<&SessionId>) -> Result<Vec<ListedSandbox>, SandboxError> {
        self.sandboxes.list(session).await
    }

    async fn terminate(&self, id: &SandboxId) -> Result<(), SandboxError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(Unavailable::new(Dependency::Sandboxes, "it is down").into());
        }
        self.sandboxes.terminate(id).await
    }
}

async fn events(world: &World, session: &SessionId) -> Vec<Event> {
    domain::read_all(&world.store, session, Seq(0)).await.unwrap()
}

fn of_kind<'a>(events: &'a [Event], kind: &'a str) -> impl Iterator<Item = &'a Event> {
    events.iter().filter(move |event| event.body.kind() == kind)
}

async fn is_left(world: &World, session: &SessionId) -> bool {
    let summary = world.store.summary(session).await.unwrap().unwrap();
    assert!(summary.status.is_terminal());
    let due = all_unfinished(&world.store, WallClock.now()).await.unwrap().contains(session);
    assert_eq!(due, summary.sandbox_left, "the dispatcher finds a session that has left a sandbox, and no other");
    due
}

/// A clock that is an hour later each time it is read.
#[derive(Default)]
struct Leaping(AtomicUsize);

#[async_trait]
impl Clock for Leaping {
    fn now(&self) -> Timestamp {
        let hours = i64::try_from(self.0.fetch_add(1, Ordering::SeqCst)).unwrap();
        WallClock.now() + SignedDuration::from_hours(hours)
    }

    async fn sleep(&self, _duration: Duration) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_ends_and_the_next_starts_while_the_provider_is_down() {
    let home = Home::new();
    let world = world(settings(&home.beside("data"), &[]));
    let turns = [bash("echo two >> a.txt"), ends(), bash("echo three >> a.txt"), ends()];
    let played = Script::parse(&script(&turns).to_string()).unwrap();
    let server = Server::bind("127.0.0.1:0", played, StandIn::default()).await.unwrap();
    let sandboxes = Arc::clone(&world.sandboxes) as Arc<dyn Sandboxes>;
    let provider = Arc::new(Provider { sandboxes, down: AtomicBool::new(true), updated: AtomicBool::new(false) });
    let mut tasks = world.step_tasks(world.logs(), &server.url(), "key".into()).unwrap();
    let live = Arc::clone(&world.live) as _;
    let finish = Finish { sandboxes: Arc::clone(&provider) as _, live, services: world.services() };
    let handlers = Arc::get_mut(&mut tasks.handlers).unwrap();
    handlers.retain(|handler| handler.step() != Step::Finish);
    handlers.push(Box::new(finish));
    let time = Arc::new(FastForward::default());
    let interpreter = Arc::new(world.engine.interpreter(Arc::new(tasks), time).unwrap());
    // What drives a session also reconciles it, and that has the provider that works: so the driver is not used here.
    let run = async |session: &SessionId, run: u32| {
        let execution = domain::ExecutionName { session: session.clone(), run: RunNumber(run) };
        world.engine.run_execution(Arc::clone(&interpreter), &execution).await.unwrap();
    };

    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let draft = UncheckedRequest {
        repo_url: checkout.display().to_string(),
        prompt: "Add two.".to_owned(),
        ..UncheckedRequest::default()
    };
    let services = world.services();
    let session = start(&services, start_request(&world, "local", draft)).await.unwrap().session.id;
    run(&session, 1).await;
    let log = events(&world, &session).await;
    let kinds: Vec<&str> = log.iter().rev().take(2).map(|event| event.body.kind()).collect();
    assert_eq!(kinds, ["sandbox.terminating", "run.finished"], "the run ended first");
    assert!(is_left(&world, &session).await);

    message(&services, &session, "Add three, too.", None).await.unwrap();
    run(&session, 2).await;
    let log = events(&world, &session).await;
    assert_eq!(of_kind(&log, "run.finished").count(), 2);
    assert_eq!(of_kind(&log, "sandbox.created").count(), 2, "the next run has a sandbox of its own");
    assert_eq!(of_kind(&log, "sandbox.terminating").count(), 2, "each is announced once, however often it is tried");
    assert_eq!(of_kind(&log, "sandbox.terminated").count(), 0);
    assert!(is_left(&world, &session).await);
    assert_ne!(home.sandboxes(), Vec::<String>::new());
    // Nothing would know of the sandboxes any more.
    let hasty = Services { clock: Arc::new(Leaping::default()), ..world.services() };
    let refused = delete(&hasty, &"local".parse().unwrap(), &session).await;
    assert!(matches!(refused, Err(CommandError::Conflict(Conflict::NotOver(_)))), "{refused:?}");

    // What the dispatcher does with a session that it finds.
    let ended = drive_session(&world, &interpreter, &session, WaitPolicy::Release).await.unwrap();
    assert_eq!(ended, Some(DriveOutcome::Ended(Status::Done)));
    let log = events(&world, &session).await;
    assert_eq!(of_kind(&log, "sandbox.terminated").count(), 2);
    assert!(!is_left(&world, &session).await);
    assert_eq!(home.sandboxes(), Vec::<String>::new());
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sandbox_with_a_toolbox_of_another_version_is_left_for_a_new_one() {
    let home = Home::new();
    let world = world(settings(&home.beside("data"), &[]));
    let looks = tools(&[("glob", serde_json::json!({ "pattern": "*" }))]);
    let turns = [bash("echo two >> a.txt"), looks, bash("echo three >> a.txt"), ends()];
    let played = Script::parse(&script(&turns).to_string()).unwrap();
    let server = Server::bind("127.0.0.1:0", played, StandIn::default()).await.unwrap();
    let sandboxes = Arc::clone(&world.sandboxes) as Arc<dyn Sandboxes>;
    let provider = Arc::new(Provider { sandboxes, down: AtomicBool::new(false), updated: AtomicBool::new(false) });
    let mut tasks = world.step_tasks(world.logs(), &server.url(), "key".into()).unwrap();
    let handlers = Arc::get_mut(&mut tasks.handlers).unwrap();
    handlers.retain(|handler| handler.step() != Step::ExecuteTool);
    let (blobs, limits) = (Arc::clone(&world.blobs) as _, ToolLimits::default());
    handlers.push(Box::new(ExecuteTool { sandboxes: Arc::clone(&provider) as _, blobs, limits }));
    let updating = Updating { tasks, provider, executions: AtomicUsize::new(0) };
    let time = Arc::new(FastForward::default());
    let interpreter = Arc::new(world.engine.interpreter(Arc::new(updating), time).unwrap());
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let draft = UncheckedRequest {
        repo_url: checkout.display().to_string(),
        prompt: "Add two and three.".to_owned(),
        ..UncheckedRequest::default()
    };
    let session = start(&world.services(), start_request(&world, "local", draft)).await.unwrap().session.id;
    let ended = drive_session(&world, &interpreter, &session, WaitPolicy::Release).await.unwrap();
    assert_eq!(ended, Some(DriveOutcome::Ended(Status::Done)));
    let log = events(&world, &session).await;
    let lost: Vec<&Event> = of_kind(&log, "sandbox.lost").collect();
    let [Event { body: EventBody::SandboxLost(lost), .. }] = lost[..] else { panic!("{lost:?}") };
    assert!(lost.reason.contains("99 of the toolbox"), "{}", lost.reason);
    let results = of_kind(&log, "tool.result").map(|event| domain::public_event(&session, event)["outcome"].clone());
    assert_eq!(results.collect::<Vec<_>>(), ["ok", "ok", "ok"], "the model is told nothing of it");
    assert_eq!(of_kind(&log, "sandbox.terminated").count(), 2, "the one that was left lived on");
    let published = domain::public_event(&session, of_kind(&log, "branch.published").last().unwrap());
    assert_eq!(PublishedBranch::of(&published).file("a.txt"), "one\ntwo\nthree");
    server.shutdown().await;
}

/// The steps, of which the second `execute-tool` meets a program that was updated.
struct Updating {
    tasks: StepTasks,
    provider: Arc<Provider>,
    executions: AtomicUsize,
}

#[async_trait]
impl Tasks for Updating {
    async fn invoke(&self, call: TaskCall) -> Result<Value, Failure> {
        if call.resource == Step::ExecuteTool.name() && self.executions.fetch_add(1, Ordering::SeqCst) == 1 {
            self.provider.updated.store(true, Ordering::SeqCst);
        }
        self.tasks.invoke(call).await
    }
}
