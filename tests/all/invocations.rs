//! Every invocation of every step is delivered twice at once, again after its end, late, and again after its deadline while the
//! first one still runs. The session ends the same.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent::{Common, Overlap};
use asl::{Failure, Interpreter, TaskCall, Tasks};
use async_trait::async_trait;
use domain::commands::{approve, start};
use domain::ports::{AppendError, Blobs, Clock, EventLog, Page, ReadError};
use domain::{ErrorCode, Event, EventBody, Seq, SessionId, SessionLogs, Status, Step, Unavailable, UncheckedRequest};
use jiff::Timestamp;
use local::{DriveOutcome, StepTasks, Store, WaitPolicy, WallClock, World, drive_session};
use serde_json::Value;
use stand_ins::claude::{Script, Server, Settings as StandIn};
use tokio::sync::Semaphore;

use crate::support::{
    FastForward, Home, PublishedBranch, bash, ends, repository, script, settings, start_request, world,
};

/// What is done with each invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivered {
    TwiceAtOnce,
    AgainAfterItsEnd,
    /// While the next one works, and after it.
    Late,
    /// After its deadline, while the first one is held up, which then wakes up.
    AgainAfterItsDeadline,
}

/// The steps, delivered in another way than the workflow ordered.
struct Deliveries {
    tasks: StepTasks,
    store: Store,
    blobs: Arc<dyn Blobs>,
    how: Delivered,
    /// The invocations so far, each with its session.
    earlier: Mutex<Vec<(SessionId, TaskCall)>>,
}

#[async_trait]
impl Tasks for Deliveries {
    async fn invoke(&self, call: TaskCall) -> Result<Value, Failure> {
        match self.how {
            Delivered::TwiceAtOnce => {
                let (one, other) = tokio::join!(self.tasks.invoke(call.clone()), self.tasks.invoke(call.clone()));
                assert_eq!(verdict(&one), verdict(&other), "{}", call.resource);
                one
            }
            Delivered::AgainAfterItsEnd => {
                let first = self.tasks.invoke(call.clone()).await;
                assert_eq!(verdict(&first), verdict(&self.tasks.invoke(call.clone()).await), "{}", call.resource);
                first
            }
            Delivered::Late => {
                let (held, gate) = self.held_up(call.clone());
                gate.reached(&held).await;
                self.deliver_earlier().await;
                gate.open.add_permits(1);
                let result = held.await.unwrap();
                let session = serde_json::from_value(call.input["sessionId"].clone()).unwrap();
                self.earlier.lock().unwrap().push((session, call));
                self.deliver_earlier().await;
                result
            }
            Delivered::AgainAfterItsDeadline => {
                let (held, gate) = self.held_up(call.clone());
                gate.reached(&held).await;
                let clock = Arc::new(Ahead(Duration::from_secs(3600)));
                let logs = self.logs(Arc::new(self.store.clone()));
                let common = Common { clock, logs, ..self.tasks.common.clone() };
                let resource = call.resource.clone();
                let result = StepTasks { common, ..self.tasks.clone() }.invoke(call).await;
                gate.open.add_permits(1);
                assert_eq!(held.await.unwrap().unwrap_err().error, "Stale", "{resource}");
                result
            }
        }
    }
}

/// The verdict of an answer, or the type of the error.
fn verdict(answer: &Result<Value, Failure>) -> String {
    match answer {
        Ok(answer) => answer["verdict"].as_str().unwrap().to_owned(),
        Err(failure) => failure.error.clone(),
    }
}

impl Deliveries {
    /// Logs of another process, which has read nothing yet.
    fn logs(&self, event_log: Arc<dyn EventLog>) -> SessionLogs {
        SessionLogs::new(event_log, Arc::new(self.store.clone()), Arc::clone(&self.blobs), Arc::new(WallClock))
    }

    /// Starts an invocation whose append after `step.started` is held up.
    fn held_up(&self, call: TaskCall) -> (tokio::task::JoinHandle<Result<Value, Failure>>, Arc<Gate>) {
        let gate = Arc::new(Gate {
            store: self.store.clone(),
            appends: AtomicUsize::new(0),
            reached: Semaphore::new(0),
            open: Semaphore::new(0),
        });
        let common = Common { logs: self.logs(Arc::clone(&gate) as _), ..self.tasks.common.clone() };
        let tasks = StepTasks { common, ..self.tasks.clone() };
        (tokio::spawn(async move { tasks.invoke(call).await }), gate)
    }

    /// Delivers every earlier invocation once more. None of them may write anything.
    async fn deliver_earlier(&self) {
        let earlier = self.earlier.lock().unwrap().clone();
        for (session, call) in earlier {
            let before = domain::read_all(&self.store, &session, Seq(0)).await.unwrap().len();
            let common = Common { logs: self.logs(Arc::new(self.store.clone())), ..self.tasks.common.clone() };
            let late = StepTasks { common, ..self.tasks.clone() }.invoke(call.clone()).await;
            assert!(late.as_ref().map_or_else(|failure| failure.error == "Stale", |_| true), "{call:?}: {late:?}");
            let after = domain::read_all(&self.store, &session, Seq(0)).await.unwrap();
            assert_eq!(after.len(), before, "{} wrote {:?}", call.resource, after.last());
        }
    }
}

/// An event log whose second append waits until the gate opens.
struct Gate {
    store: Store,
    appends: AtomicUsize,
    reached: Semaphore,
    open: Semaphore,
}

impl Gate {
    /// Returns when the invocation waits at the gate.
    async fn reached<T>(&self, held: &tokio::task::JoinHandle<T>) {
        assert!(!held.is_finished());
        self.reached.acquire().await.unwrap().forget();
    }
}

#[async_trait]
impl EventLog for Gate {
    async fn append(&self, session: &SessionId, after: Seq, batch: &[Event]) -> Result<(), AppendError> {
        if self.appends.fetch_add(1, Ordering::SeqCst) == 1 {
            self.reached.add_permits(1);
            self.open.acquire().await.unwrap().forget();
        }
        self.store.append(session, after, batch).await
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

/// A clock that is ahead of the others.
struct Ahead(Duration);

#[async_trait]
impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        Clock::now(&WallClock) + self.0
    }

    async fn sleep(&self, duration: Duration) {
        Clock::sleep(&WallClock, duration).await;
    }
}

/// A model that plays these turns, and an interpreter whose invocations are delivered in this way.
async fn delivering(world: &World, how: Delivered, turns: &[Value]) -> (Server, Arc<Interpreter>) {
    let script = script(turns).to_string();
    let server = Server::bind("127.0.0.1:0", Script::parse(&script).unwrap(), StandIn::default()).await.unwrap();
    let mut tasks = world.step_tasks(world.logs(), &server.url(), "key".into()).unwrap();
    tasks.common.overlap = Overlap::Possible;
    let deliveries = Deliveries {
        tasks,
        store: world.store.clone(),
        blobs: Arc::clone(&world.blobs) as _,
        how,
        earlier: Mutex::default(),
    };
    let time = Arc::new(FastForward::default());
    (server, Arc::new(world.engine.interpreter(Arc::new(deliveries), time).unwrap()))
}

/// Starts a session.
async fn begin(world: &World, home: &Home, require_plan_approval: bool) -> SessionId {
    let checkout = repository(home, "project", &[("a.txt", "one\n")]);
    let draft = UncheckedRequest {
        repo_url: checkout.display().to_string(),
        prompt: "Add two.".to_owned(),
        require_plan_approval,
        ..UncheckedRequest::default()
    };
    start(&world.services(), start_request(world, "local", draft)).await.unwrap().session.id
}

/// Runs a session with every step, whose plan is approved, and returns its events.
async fn session_delivered(home: &Home, world: &World, how: Delivered) -> Vec<Event> {
    let (server, interpreter) = delivering(world, how, &[bash("echo two >> a.txt"), ends()]).await;
    let session = begin(world, home, true).await;
    let waits = drive_session(world, &interpreter, &session, WaitPolicy::Release).await.unwrap().unwrap();
    assert_eq!(waits, DriveOutcome::AwaitingUser, "{how:?}");
    let events = domain::read_all(&world.store, &session, Seq(0)).await.unwrap();
    let plan = events.iter().find_map(|event| match &event.body {
        EventBody::PlanCreated(created) => Some(created.plan.clone()),
        _ => None,
    });
    approve(&world.services(), &session, &plan.unwrap(), None).await.unwrap();
    let ended = drive_session(world, &interpreter, &session, WaitPolicy::Release).await.unwrap().unwrap();
    let events = domain::read_all(&world.store, &session, Seq(0)).await.unwrap();
    assert_eq!(ended, DriveOutcome::Ended(Status::Done), "{how:?}: {:?}", events.last());
    let calls = server.requests().into_iter().filter(|request| request.path == "/v1/messages").count();
    assert_eq!(calls, 3, "one call for the plan and one for each of two turns, {how:?}");
    server.shutdown().await;
    events
}

async fn ends_the_same(how: Delivered) {
    let home = Home::new();
    let world = world(settings(&home.beside("data"), &[]));
    let events = session_delivered(&home, &world, how).await;
    let of_kind = |kind: &str| events.iter().filter(|event| event.body.kind() == kind).collect::<Vec<_>>();
    let once = [
        "repository.surveyed",
        "plan.created",
        "plan.approved",
        "wait.started",
        "wait.ended",
        "tool.call",
        "tool.started",
        "tool.result",
        "changeset.collected",
        "publish.started",
        "branch.published",
        "pr.opened",
        "run.finished",
    ];
    for kind in once {
        assert_eq!(of_kind(kind).len(), 1, "{kind}, {how:?}");
    }
    assert_eq!(of_kind("model.replied").len(), 3, "{how:?}");
    assert_eq!(of_kind("sandbox.attached").len(), 2, "the long wait ended the first sandbox, {how:?}");
    assert_eq!(of_kind("step.failed").len(), 0, "{how:?}");
    let started = of_kind("step.started").len();
    let finished = of_kind("step.finished").len();
    match how {
        // Finish ends with the run, without an end of its own.
        Delivered::TwiceAtOnce | Delivered::AgainAfterItsEnd | Delivered::Late => {
            assert_eq!(started, finished + 1, "{how:?}");
        }
        Delivered::AgainAfterItsDeadline => assert_eq!(started, 2 * (finished + 1), "every step was taken over"),
    }
    for step in Step::ALL {
        let has_started =
            |event: &&Event| matches!(&event.body, EventBody::StepStarted(started) if started.step == step);
        assert!(events.iter().any(|event| has_started(&event)), "{step}");
    }
    let session = events[0].clone();
    let EventBody::SessionCreated(created) = &session.body else { panic!("{session:?}") };
    let published = domain::public_event(&created.session.id, of_kind("branch.published")[0]);
    let branch = PublishedBranch::of(&published);
    assert_eq!(branch.file("a.txt"), "one\ntwo", "{how:?}");
    assert_eq!(branch.commits(), "2", "{how:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_of_an_invocation_that_failed_fails_in_the_same_way() {
    for how in [Delivered::TwiceAtOnce, Delivered::AgainAfterItsEnd] {
        let home = Home::new();
        let world = world(settings(&home.beside("data"), &[]));
        let refuses = serde_json::json!({ "text": "I would rather not.", "stop": "refusal" });
        let (server, interpreter) = delivering(&world, how, &[refuses]).await;
        let session = begin(&world, &home, false).await;
        let ended = drive_session(&world, &interpreter, &session, WaitPolicy::Release).await.unwrap().unwrap();
        assert_eq!(ended, DriveOutcome::Ended(Status::Failed), "{how:?}");
        let events = domain::read_all(&world.store, &session, Seq(0)).await.unwrap();
        let failed: Vec<_> = events.iter().filter(|event| event.body.kind() == "step.failed").collect();
        let [Event { body: EventBody::StepFailed(failed), .. }] = failed[..] else { panic!("{failed:?}") };
        assert_eq!(failed.code, Some(ErrorCode::ModelRefusal), "{how:?}");
        let errors = events.iter().filter(|event| event.body.kind() == "session.error").count();
        assert_eq!(errors, 1, "{how:?}");
        server.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_deliveries_at_once_do_the_work_once() {
    ends_the_same(Delivered::TwiceAtOnce).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_after_the_end_gets_the_same_answer() {
    ends_the_same(Delivered::AgainAfterItsEnd).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_delivery_writes_nothing() {
    ends_the_same(Delivered::Late).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invocation_that_wakes_up_after_it_was_replaced_writes_nothing() {
    ends_the_same(Delivered::AgainAfterItsDeadline).await;
}
