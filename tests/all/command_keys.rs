//! A command that is sent again with its idempotency key takes effect once, whichever call of a port failed.

use std::future::Future;
use std::pin::Pin;

use domain::commands::{CommandError, Services, approve, cancel, extend, message, reject};
use domain::ports::{Sessions as _, read_all};
use domain::run_outcome::final_events;
use domain::{
    BudgetExtended, EventBody, IdempotencyKey, Keep, MicroDollars, PlanCreated, PlanId, RunNumber, Seq, SessionId,
    SessionStatus, Status, Step, StepStart, TaskToken, UncheckedRequest, WaitReason, WaitStarted,
};
use local::World;
use reqwest::Method;
use serde_json::json;

use crate::support::{
    FaultyPorts, Home, ServerProcess, answer, bash, ends, plan, repository, script, settings, start_request, world,
};

type Sent<'a> = Pin<Box<dyn Future<Output = Result<(), CommandError>> + 'a>>;

/// A command, with a session in the state that it is for.
struct Case {
    name: &'static str,
    state: State,
    send: for<'a> fn(&'a Services, &'a SessionId, &'a IdempotencyKey) -> Sent<'a>,
    /// The kind of event that the command leaves once.
    leaves: &'static str,
    /// Whether it completes the waiting task.
    answers: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Working,
    /// Its plan waits for approval.
    Waiting,
    Over,
}

fn plan_id() -> PlanId {
    "plan-1".parse().unwrap()
}

fn say<'a>(services: &'a Services, session: &'a SessionId, key: &'a IdempotencyKey) -> Sent<'a> {
    Box::pin(async move { message(services, session, "And this.", Some(key)).await.map(drop) })
}

fn more<'a>(services: &'a Services, session: &'a SessionId, key: &'a IdempotencyKey) -> Sent<'a> {
    let more = BudgetExtended { turns: 3, cost: MicroDollars(5), minutes: 0 };
    Box::pin(extend(services, session, more, Some(key)))
}

fn cases() -> Vec<Case> {
    vec![
        Case { name: "message", state: State::Working, send: say, leaves: "user.message", answers: false },
        Case { name: "answer", state: State::Waiting, send: say, leaves: "user.message", answers: true },
        Case { name: "follow-up", state: State::Over, send: say, leaves: "user.message", answers: false },
        Case {
            name: "approve",
            state: State::Waiting,
            send: |services, session, key| {
                Box::pin(async move { approve(services, session, &plan_id(), Some(key)).await })
            },
            leaves: "plan.approved",
            answers: true,
        },
        Case {
            name: "reject",
            state: State::Waiting,
            send: |services, session, key| Box::pin(reject(services, session, None, Some(key))),
            leaves: "plan.rejected",
            answers: true,
        },
        Case {
            name: "reject with a message",
            state: State::Waiting,
            send: |services, session, key| Box::pin(reject(services, session, Some("Not so."), Some(key))),
            leaves: "plan.rejected",
            answers: true,
        },
        Case { name: "extend", state: State::Working, send: more, leaves: "budget.extended", answers: false },
        Case {
            name: "cancel",
            state: State::Waiting,
            send: |services, session, key| Box::pin(cancel(services, session, Keep::Branch, Some(key))),
            leaves: "session.cancel_requested",
            answers: true,
        },
    ]
}

async fn session_in(state: State, world: &World) -> SessionId {
    let draft =
        UncheckedRequest { repo_url: "/x".to_owned(), prompt: "Do it.".to_owned(), ..UncheckedRequest::default() };
    let services = world.services();
    let session = domain::commands::start(&services, start_request(world, "local", draft)).await.unwrap().session.id;
    let mut log = services.logs().open(&session).await.unwrap();
    let (span, deadline) = ("00000000000000aa".parse().unwrap(), services.clock.now());
    let start = StepStart { step: Step::Plan, span, invocation: None, deadline };
    assert!(log.start_step(RunNumber(1), &start).await.unwrap());
    match state {
        State::Working => {}
        State::Waiting => {
            let content = serde_json::from_value(plan("A plan")).unwrap();
            let reason = WaitReason::PlanApproval { plan: plan_id() };
            let deadline = "2027-11-22T10:00:00Z".parse().unwrap();
            let bodies: Vec<EventBody> = vec![
                PlanCreated { plan: plan_id(), content }.into(),
                WaitStarted { reason, deadline }.into(),
                SessionStatus { status: Status::AwaitingUser }.into(),
            ];
            log.append(bodies).await.unwrap();
            let token = TaskToken("the task".to_owned());
            world.store.put_token(&session, RunNumber(1), log.step(), &token).await.unwrap();
        }
        State::Over => {
            log.decide(|state| Ok::<_, CommandError>(final_events(state, Status::Cancelled, None))).await.unwrap()
        }
    }
    session
}

async fn count(world: &World, session: &SessionId, kind: &str) -> usize {
    let events = read_all(&world.store, session, Seq(0)).await.unwrap();
    events.iter().filter(|event| event.body.kind() == kind).count()
}

/// Sends a command while the `fails_at`-th call fails, and again. Returns false when there were fewer calls.
async fn send_with_a_failure(case: &Case, fails_at: usize, after: bool) -> bool {
    let home = Home::new();
    let world = world(settings(&home.beside("data"), &[]));
    let session = session_in(case.state, &world).await;
    let faulty = FaultyPorts::of_running_workflows(&world, fails_at, after);
    let (services, key) = (faulty.services(&world), "key-1".parse().unwrap());
    let context = format!("{}: call {fails_at} failed, after: {after}", case.name);
    let first = (case.send)(&services, &session, &key).await;
    // A snapshot that cannot be read is done without.
    assert!(first.is_ok() || faulty.has_failed(), "{context}: {first:?}");
    if !faulty.has_failed() {
        return false;
    }
    for _ in 0..2 {
        (case.send)(&services, &session, &key).await.unwrap_or_else(|error| panic!("{context}: {error}"));
    }
    assert_eq!(count(&world, &session, case.leaves).await, 1, "{context}");
    if case.answers {
        assert_eq!(world.store.token(&session, RunNumber(1)).await.unwrap(), None, "{context}");
        assert!(faulty.completed() >= 1, "{context}: the waiting task has its answer");
    }
    let runs = if case.state == State::Over { 2 } else { 1 };
    assert_eq!(count(&world, &session, "run.started").await, runs, "{context}");
    // The key stands for this command only.
    let other = message(&services, &session, "Something else.", Some(&key)).await;
    assert!(matches!(other, Err(CommandError::KeyReused)), "{context}: {other:?}");
    true
}

#[tokio::test]
async fn a_command_sent_again_with_its_key_takes_effect_once_whatever_failed() {
    for case in cases() {
        for after in [false, true] {
            let mut failed = 0;
            while send_with_a_failure(&case, failed + 1, after).await {
                failed += 1;
            }
            assert!(failed >= 2, "{}: only {failed} calls failed", case.name);
        }
    }
}

#[tokio::test]
async fn commands_with_a_key_that_arrive_together_take_effect_once() {
    let home = Home::new();
    let world = world(settings(&home.beside("data"), &[]));
    let session = session_in(State::Over, &world).await;
    let (services, key) = (world.services(), "key-1".parse::<IdempotencyKey>().unwrap());
    let send = || message(&services, &session, "And this.", Some(&key));
    let (one, two, three) = tokio::join!(send(), send(), send());
    assert_eq!((one.unwrap(), two.unwrap(), three.unwrap()), (RunNumber(2), RunNumber(2), RunNumber(2)));
    assert_eq!(count(&world, &session, "user.message").await, 1);
    message(&services, &session, "And this.", None).await.unwrap();
    message(&services, &session, "And this.", None).await.unwrap();
    assert_eq!(count(&world, &session, "user.message").await, 3, "without a key each is a message of its own");
}

#[tokio::test]
async fn the_api_takes_a_command_with_an_idempotency_key_once() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let server = ServerProcess::start(&home, &script(&[bash("echo two >> a.txt"), ends()]));
    let body = json!({ "repoUrl": checkout, "prompt": "Add two.", "requirePlanApproval": true });
    let session = server.begin(&body).await;
    let send = async |action: &str, key: &str, body: serde_json::Value| {
        let request = server.request(Method::POST, &format!("/sessions/{session}/{action}"));
        let request = request.header("accept", "application/json").header("idempotency-key", key);
        answer(request.json(&body).send().await.unwrap()).await
    };
    for _ in 0..2 {
        let (status, extended) = send("extend", "key-1", json!({ "turns": 7 })).await;
        assert_eq!((status, &extended["limits"]["maxTurns"]), (202, &json!(107)), "{extended}");
    }
    let (status, refused) = send("extend", "key-1", json!({ "turns": 8 })).await;
    assert_eq!((status, &refused["error"]["code"]), (409, &json!("IdempotencyKeyReused")), "{refused}");
    let (status, refused) = send("extend", "no spaces", json!({ "turns": 8 })).await;
    assert_eq!(status, 400, "{refused}");
    for _ in 0..2 {
        let (status, cancelled) = send("cancel", "key-2", json!({})).await;
        assert_eq!(status, 202, "{cancelled}");
    }
    server.watch(&session, 0).await;
    let (status, cancelled) = send("cancel", "key-2", json!({})).await;
    assert_eq!((status, &cancelled["status"]), (202, &json!("cancelled")), "after the run is over as well");
}
