//! A run publishes, or fails, before its workflow has more history than the workflow service allows, and when its steps lead
//! nowhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use asl::{Failure, TaskCall, Tasks};
use async_trait::async_trait;
use domain::commands::start;
use domain::ports::EventLog as _;
use domain::{
    Attempt, BudgetLimit, ErrorCode, Event, EventBody, INVOCATIONS_BEFORE_PUBLISHING, MAX_ANSWERS_WITHOUT_PROGRESS,
    MAX_INVOCATIONS, RunNumber, Seq, SessionId, Status, Step, StepFinished, StepStarted, UncheckedRequest, Verdict,
    Writer,
};
use local::{DriveOutcome, StepTasks, Store, WaitPolicy, drive_session};
use serde_json::Value;
use stand_ins::claude::{Script, Server, Settings as StandIn};

use crate::support::{FastForward, Home, bash, ends, repository, script, settings, start_request, world};

/// The steps of a run that has made many steps when one of them is invoked for the `nth` time.
struct ManySteps {
    tasks: StepTasks,
    store: Store,
    step: Step,
    nth: usize,
    many: u32,
    /// What the log says of each of them, as an event like the last one.
    event: fn(u32, &Event) -> Event,
    invoked: AtomicUsize,
}

/// A step that starts.
fn started(n: u32, last: &Event) -> Event {
    let attempt = Attempt(n + 1);
    let body = StepStarted { step: Step::Prepare, attempt, invocation: None, deadline: None }.into();
    Event { body, ..last.clone() }
}

/// A step that answers that the tools are due, as one does that goes round in a circle.
fn answered(n: u32, last: &Event) -> Event {
    let (attempt, verdict) = (Attempt(n + 1), Verdict::Tools);
    let step = Step::ExecuteTool;
    let body = StepFinished { step, attempt, verdict, wait_seconds: None, then: None, duration_ms: 1 }.into();
    Event { body, ..last.clone() }
}

/// The start and, ten hours later, the end of a step that continues itself.
fn long(n: u32, last: &Event) -> Event {
    let (step, attempt) = (Step::ExecuteTool, Attempt(100));
    if n == 1 {
        let body = StepStarted { step, attempt, invocation: None, deadline: None }.into();
        return Event { body, ..last.clone() };
    }
    let writer = Some(Writer { step, attempt });
    Event { writer, at: last.at + Duration::from_secs(36_000), ..answered(99, last) }
}

#[async_trait]
impl Tasks for ManySteps {
    async fn invoke(&self, call: TaskCall) -> Result<Value, Failure> {
        if call.resource == self.step.name() && self.invoked.fetch_add(1, Ordering::SeqCst) + 1 == self.nth {
            let session: SessionId = serde_json::from_value(call.input["sessionId"].clone()).unwrap();
            let last = domain::read_all(&self.store, &session, Seq(0)).await.unwrap().pop().unwrap();
            let event =
                |n: u32| Event { seq: Seq(last.seq.0 + u64::from(n)), run: RunNumber(1), ..(self.event)(n, &last) };
            let batch: Vec<Event> = (1..=self.many).map(event).collect();
            self.store.append(&session, last.seq, &batch).await.unwrap();
        }
        self.tasks.invoke(call).await
    }
}

async fn run(
    home: &Home,
    step: Step,
    nth: usize,
    many: u32,
    event: fn(u32, &Event) -> Event,
) -> (DriveOutcome, Vec<Event>) {
    let world = world(settings(&home.beside("data"), &[]));
    let played = script(&[bash("echo two >> a.txt"), bash("echo three >> a.txt"), ends()]).to_string();
    let server = Server::bind("127.0.0.1:0", Script::parse(&played).unwrap(), StandIn::default()).await.unwrap();
    let tasks = world.step_tasks(world.logs(), &server.url(), "key".into()).unwrap();
    let many = ManySteps { tasks, store: world.store.clone(), step, nth, many, event, invoked: AtomicUsize::new(0) };
    let time = Arc::new(FastForward::default());
    let interpreter = Arc::new(world.engine.interpreter(Arc::new(many), time).unwrap());
    let checkout = repository(home, "project", &[("a.txt", "one\n")]);
    let draft = UncheckedRequest {
        repo_url: checkout.display().to_string(),
        prompt: "Add two and three.".to_owned(),
        ..UncheckedRequest::default()
    };
    let session = start(&world.services(), start_request(&world, "local", draft)).await.unwrap().session.id;
    let outcome = drive_session(&world, &interpreter, &session, WaitPolicy::Release).await.unwrap().unwrap();
    server.shutdown().await;
    (outcome, domain::read_all(&world.store, &session, Seq(0)).await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_with_many_steps_publishes_the_work_it_has() {
    let home = Home::new();
    let (outcome, log) = run(&home, Step::GenerateTurn, 2, INVOCATIONS_BEFORE_PUBLISHING, started).await;
    assert_eq!(outcome, DriveOutcome::Ended(Status::Done));
    let exhausted = log.iter().find_map(|event| match &event.body {
        EventBody::BudgetExhausted(exhausted) => exhausted.which,
        _ => None,
    });
    assert_eq!(exhausted, Some(BudgetLimit::Steps));
    let draft = log.iter().find_map(|event| match &event.body {
        EventBody::PrOpened(opened) => opened.draft.clone(),
        _ => None,
    });
    assert!(draft.unwrap().contains("limit of steps"));
    let replies = log.iter().filter(|event| event.body.kind() == "model.replied").count();
    assert_eq!(replies, 2, "the plan and one turn");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_cannot_publish_fails_before_its_history_is_full() {
    let home = Home::new();
    let (outcome, log) = run(&home, Step::Plan, 1, MAX_INVOCATIONS, started).await;
    assert_eq!(outcome, DriveOutcome::Ended(Status::Failed));
    let failed = log.iter().find_map(|event| match &event.body {
        EventBody::SessionError(failed) => Some((failed.code, failed.message.clone())),
        _ => None,
    });
    let (code, message) = failed.unwrap();
    assert_eq!(code, ErrorCode::BudgetExhausted);
    assert!(message.contains("2000 steps"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_whose_steps_lead_nowhere_publishes_the_work_it_has() {
    let home = Home::new();
    let (outcome, log) = run(&home, Step::ExecuteTool, 2, MAX_ANSWERS_WITHOUT_PROGRESS, answered).await;
    assert_eq!(outcome, DriveOutcome::Ended(Status::Done));
    let exhausted = log.iter().find_map(|event| match &event.body {
        EventBody::BudgetExhausted(exhausted) => Some(exhausted.limit.clone()),
        _ => None,
    });
    assert!(exhausted.unwrap().contains("steps in a row led to nothing new"));
    let draft = log.iter().find_map(|event| match &event.body {
        EventBody::PrOpened(opened) => opened.draft.clone(),
        _ => None,
    });
    assert!(draft.unwrap().contains("limit of steps"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_whose_steps_lead_nowhere_fails_when_it_has_nothing() {
    let home = Home::new();
    let (outcome, log) = run(&home, Step::ExecuteTool, 1, MAX_ANSWERS_WITHOUT_PROGRESS, answered).await;
    assert_eq!(outcome, DriveOutcome::Ended(Status::Failed));
    assert!(log.iter().all(|event| event.body.kind() != "tool.result"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_continues_itself_stops_at_the_limit_of_minutes() {
    let home = Home::new();
    let (outcome, log) = run(&home, Step::ExecuteTool, 2, 2, long).await;
    assert_eq!(outcome, DriveOutcome::AwaitingUser);
    let exhausted = log.iter().find_map(|event| match &event.body {
        EventBody::BudgetExhausted(exhausted) => exhausted.which,
        _ => None,
    });
    assert_eq!(exhausted, Some(BudgetLimit::Minutes));
    let Some(EventBody::SessionCreated(created)) = log.first().map(|event| &event.body) else { panic!("{log:?}") };
    let session = created.session.id.to_string();
    home.run(&["--json", "sessions", "cancel", &session]).expect_code(0);
}
