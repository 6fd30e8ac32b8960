//! The sandbox of a run is removed after the run's last event, later when its provider is down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use agent::Finish;
use async_trait::async_trait;
use domain::commands::{message, start};
use domain::ports::{
    ByteRange, Clock as _, Exec, ExecState, Sandbox, SandboxError, SandboxSpec, Sandboxes, Sessions as _, Started,
    Stream,
};
use domain::{
    Dependency, Event, ExecId, RunNumber, SandboxId, Seq, SessionId, Status, Step, Unavailable, UncheckedRequest,
};
use local::{DriveOutcome, WaitPolicy, WallClock, World, drive_session};
use stand_ins::claude::{Script, Server, Settings as StandIn};

use crate::support::{FastForward, Home, bash, ends, repository, script, settings, start_request, world};

/// A provider of sandboxes that is down at times. `finish` only terminates.
struct Provider {
    sandboxes: Arc<dyn Sandboxes>,
    down: AtomicBool,
}

#[async_trait]
impl Sandboxes for Provider {
    fn provider(&self) -> &'static str {
        self.sandboxes.provider()
    }

    async fn create(&self, _: &SandboxSpec) -> Result<Sandbox, SandboxError> {
        unreachable!()
    }

    async fn attach(&self, _: &SandboxId) -> Result<Sandbox, SandboxError> {
        unreachable!()
    }

    async fn start(&self, _: &SandboxId, _: &Exec) -> Result<Started, SandboxError> {
        unreachable!()
    }

    async fn wait(&self, _: &SandboxId, _: &ExecId, _: Duration) -> Result<ExecState, SandboxError> {
        unreachable!()
    }

    async fn output(&self, _: &SandboxId, _: &ExecId, _: Stream, _: ByteRange) -> Result<Vec<u8>, SandboxError> {
        unreachable!()
    }

    async fn kill(&self, _: &SandboxId, _: &ExecId) -> Result<(), SandboxError> {
        unreachable!()
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
    let due = world.store.unfinished(WallClock.now()).unwrap().contains(session);
    assert_eq!(due, summary.sandbox_left, "the dispatcher finds a session that has left a sandbox, and no other");
    due
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_ends_and_the_next_starts_while_the_provider_is_down() {
    let home = Home::new();
    let world = world(settings(&home.beside("data"), &[]));
    let turns = [bash("echo two >> a.txt"), ends(), bash("echo three >> a.txt"), ends()];
    let played = Script::parse(&script(&turns).to_string()).unwrap();
    let server = Server::bind("127.0.0.1:0", played, StandIn::default()).await.unwrap();
    let sandboxes = Arc::clone(&world.sandboxes) as Arc<dyn Sandboxes>;
    let provider = Arc::new(Provider { sandboxes, down: AtomicBool::new(true) });
    let mut tasks = world.step_tasks(Arc::new(world.store.clone()), &server.url(), "key".into()).unwrap();
    let finish = Finish { sandboxes: Arc::clone(&provider) as _, services: world.services() };
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

    message(&services, &session, "Add three, too.").await.unwrap();
    run(&session, 2).await;
    let log = events(&world, &session).await;
    assert_eq!(of_kind(&log, "run.finished").count(), 2);
    assert_eq!(of_kind(&log, "sandbox.created").count(), 2, "the next run has a sandbox of its own");
    assert_eq!(of_kind(&log, "sandbox.terminating").count(), 2, "each is announced once, however often it is tried");
    assert_eq!(of_kind(&log, "sandbox.terminated").count(), 0);
    assert!(is_left(&world, &session).await);
    assert_ne!(home.sandboxes(), Vec::<String>::new());

    // What the dispatcher does with a session that it finds.
    let ended = drive_session(&world, &interpreter, &session, WaitPolicy::Release).await.unwrap();
    assert_eq!(ended, Some(DriveOutcome::Ended(Status::Done)));
    let log = events(&world, &session).await;
    assert_eq!(of_kind(&log, "sandbox.terminated").count(), 2);
    assert!(!is_left(&world, &session).await);
    assert_eq!(home.sandboxes(), Vec::<String>::new());
    server.shutdown().await;
}
