//! The sandbox of a run is removed after the run's last event, later when its provider is down. A sandbox that cannot be used is left
//! and removed like the others.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
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
use jiff::{SignedDuration, Timestamp};
use local::{DriveOutcome, StepTasks, WaitPolicy, WallClock, World, drive_session};
use sandbox_protocol::{Answer, Exit, ExitStatus, Greeting, Layout, Progress, Reply, Started, encode};
use serde_json::Value;
use stand_ins::claude::{Script, Server, Settings as StandIn};
use tokio::io::AsyncWriteExt as _;
use tokio_util::compat::TokioAsyncReadCompatExt as _;

use crate::support::{
    FastForward, Home, PublishedBranch, bash, ends, repository, script, settings, start_request, tools, world,
};

/// A provider of sandboxes that is down at times, and in whose place a supervisor speaks that says what the test has put down.
struct Provider {
    sandboxes: Arc<dyn Sandboxes>,
    down: AtomicBool,
    /// All that the supervisor of the next connection says.
    spoken: Mutex<Option<Vec<u8>>>,
}

/// A supervisor that says this and listens to nothing.
async fn supervisor(spoken: Vec<u8>) -> Box<dyn ByteConnection> {
    let (ours, mut theirs) = tokio::io::duplex(64 << 10);
    tokio::spawn(async move {
        theirs.write_all(&spoken).await.unwrap();
        tokio::io::copy(&mut theirs, &mut tokio::io::sink()).await.unwrap();
    });
    Box::new(ours.compat())
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
        let spoken = self.spoken.lock().unwrap().take();
        match spoken {
            Some(spoken) => Ok(supervisor(spoken).await),
            None => self.sandboxes.connect(id, handle).await,
        }
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
    let provider = Arc::new(Provider { sandboxes, down: AtomicBool::new(true), spoken: Mutex::default() });
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

/// Runs a session of three calls, of which the second one meets a supervisor that says this. Returns its log.
async fn run_with(spoken: Vec<u8>) -> (SessionId, Vec<Event>) {
    let home = Home::new();
    let world = world(settings(&home.beside("data"), &[]));
    let looks = tools(&[("glob", serde_json::json!({ "pattern": "*" }))]);
    let turns = [bash("echo two >> a.txt"), looks, bash("echo three >> a.txt"), ends()];
    let played = Script::parse(&script(&turns).to_string()).unwrap();
    let server = Server::bind("127.0.0.1:0", played, StandIn::default()).await.unwrap();
    let sandboxes = Arc::clone(&world.sandboxes) as Arc<dyn Sandboxes>;
    let provider = Arc::new(Provider { sandboxes, down: AtomicBool::new(false), spoken: Mutex::default() });
    let mut tasks = world.step_tasks(world.logs(), &server.url(), "key".into()).unwrap();
    let handlers = Arc::get_mut(&mut tasks.handlers).unwrap();
    handlers.retain(|handler| handler.step() != Step::ExecuteTool);
    let (blobs, limits) = (Arc::clone(&world.blobs) as _, ToolLimits::default());
    handlers.push(Box::new(ExecuteTool { sandboxes: Arc::clone(&provider) as _, blobs, limits }));
    let replaced = Replaced { tasks, provider, spoken, executions: AtomicUsize::new(0) };
    let time = Arc::new(FastForward::default());
    let interpreter = Arc::new(world.engine.interpreter(Arc::new(replaced), time).unwrap());
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
    let published = domain::public_event(&session, of_kind(&log, "branch.published").last().unwrap());
    assert_eq!(PublishedBranch::of(&published).file("a.txt"), "one\ntwo\nthree");
    server.shutdown().await;
    (session, log)
}

fn results(session: &SessionId, log: &[Event]) -> Vec<Value> {
    of_kind(log, "tool.result").map(|event| domain::public_event(session, event)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sandbox_with_a_toolbox_of_another_version_is_left_for_a_new_one() {
    let greeting = Greeting { toolbox: 99, ..Greeting::new(Layout::default()) };
    let (session, log) = run_with(encode(&greeting, b"").unwrap()).await;
    let lost: Vec<&Event> = of_kind(&log, "sandbox.lost").collect();
    let [Event { body: EventBody::SandboxLost(lost), .. }] = lost[..] else { panic!("{lost:?}") };
    assert!(lost.reason.contains("99 of the toolbox"), "{}", lost.reason);
    let results = results(&session, &log);
    assert!(results.iter().all(|result| result["outcome"] == "ok"), "the model is told nothing of it: {results:?}");
    assert_eq!(results.len(), 3);
    assert_eq!(of_kind(&log, "sandbox.terminated").count(), 2, "the one that was left lived on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_dies_is_a_failed_call_and_not_the_end_of_the_run() {
    let killed = Exit {
        limit: None,
        status: ExitStatus::Signalled(9),
        stdout_bytes: 0,
        stderr_bytes: 0,
        background_ended: 0,
        wall: Duration::ZERO,
        cpu: Duration::ZERO,
    };
    let reply = |id, answer| encode(&Reply { id, outcome: Ok(answer) }, b"").unwrap();
    let spoken = [
        encode(&Greeting::new(Layout::default()), b"").unwrap(),
        reply(1, Answer::Start(Started::New)),
        reply(2, Answer::Wait(Progress::Finished(killed))),
    ];
    let (session, log) = run_with(spoken.concat()).await;
    let results = results(&session, &log);
    let outcomes: Vec<&Value> = results.iter().map(|result| &result["outcome"]).collect();
    assert_eq!(outcomes, ["ok", "failed", "ok"]);
    let told = results[1]["output"].as_str().unwrap();
    assert!(told.contains("died during this call"), "{told}");
    assert_eq!(of_kind(&log, "sandbox.lost").count(), 0);
}

/// The steps, of which the second `execute-tool` meets the supervisor that the test has put down.
struct Replaced {
    tasks: StepTasks,
    provider: Arc<Provider>,
    spoken: Vec<u8>,
    executions: AtomicUsize,
}

#[async_trait]
impl Tasks for Replaced {
    async fn invoke(&self, call: TaskCall) -> Result<Value, Failure> {
        if call.resource == Step::ExecuteTool.name() && self.executions.fetch_add(1, Ordering::SeqCst) == 1 {
            *self.provider.spoken.lock().unwrap() = Some(self.spoken.clone());
        }
        self.tasks.invoke(call).await
    }
}
