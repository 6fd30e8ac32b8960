//! Sessions that run in the process of the test, so that it sees what the model was sent.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use domain::commands::{Start, start};
use domain::ports::{EventLog, elapsed};
use domain::{Event, EventBody, Seq, SessionLogs, UncheckedRequest};
use jiff::Timestamp;
use local::{DriveOutcome, KeepTree, Settings, WaitPolicy, WallClock, World, drive_session, variables};
use serde_json::Value;
use stand_ins::claude::{Charge, Script, Server, Settings as StandIn};

use super::{Home, PublishedBranch, program};

/// A session that ran until it ended or waited for a user.
pub(crate) struct SessionRun {
    pub(crate) events: Vec<Event>,
    /// The bodies of the requests that the model was sent, in order.
    pub(crate) requests: Vec<Value>,
    /// What the model's service charged, in order.
    pub(crate) bill: Vec<Charge>,
    pub(crate) outcome: DriveOutcome,
}

impl SessionRun {
    /// The public events.
    pub(crate) fn public_events(&self) -> Vec<Value> {
        let Some(EventBody::SessionCreated(created)) = self.events.first().map(|event| &event.body) else {
            panic!("a log begins with its session: {:?}", self.events.first());
        };
        self.events.iter().map(|event| domain::public_event(&created.session.id, event)).collect()
    }

    /// The public events of one kind.
    pub(crate) fn of_kind(&self, kind: &str) -> Vec<Value> {
        self.public_events().into_iter().filter(|event| event["kind"] == kind).collect()
    }

    /// The branch that the run published last.
    pub(crate) fn branch(&self) -> PublishedBranch {
        PublishedBranch::of(&self.of_kind("branch.published").pop().expect("no branch was published"))
    }

    /// The requests of the main conversation: those with tools.
    pub(crate) fn main_requests(&self) -> Vec<&Value> {
        self.requests
            .iter()
            .filter(|request| request["tools"].as_array().is_some_and(|tools| !tools.is_empty()))
            .collect()
    }
}

/// The texts and results of the last message of a request.
pub(crate) fn last_blocks(request: &Value) -> Vec<Value> {
    let last = request["messages"].as_array().unwrap().last().unwrap();
    last["content"].as_array().unwrap().clone()
}

/// Settings for a directory of the program's own and some environment variables.
pub(crate) fn settings(data: &Path, environment: &[(&str, &str)]) -> Settings {
    let variable = |name| {
        let given = environment.iter().find(|(given, _)| *given == name).map(|(_, value)| (*value).to_owned());
        given.or_else(|| (name == variables::BACKSPACE_HOME).then(|| data.display().to_string()))
    };
    Settings::from(variable).unwrap()
}

/// The parts of the program, wired for these settings.
pub(crate) fn world(settings: Settings) -> World {
    World::with_program(settings, KeepTree::No, program()).unwrap()
}

/// Runs a session on a repository.
pub(crate) async fn run_session(
    home: &Home,
    repository: &Path,
    draft: UncheckedRequest,
    environment: &[(&str, &str)],
    script: &Value,
) -> SessionRun {
    let world = world(settings(&home.beside("data"), environment));
    run_session_in(&world, repository, draft, script, Arc::new(world.store.clone())).await
}

/// Runs a session on a repository, whose steps write to the given log.
pub(crate) async fn run_session_in(
    world: &World,
    repository: &Path,
    draft: UncheckedRequest,
    script: &Value,
    event_log: Arc<dyn EventLog>,
) -> SessionRun {
    let store = Arc::new(world.store.clone());
    let logs = SessionLogs::new(event_log, store, Arc::clone(&world.blobs) as _, Arc::new(WallClock));
    run_session_with(world, repository, draft, script, logs).await
}

/// Runs a session on a repository, whose steps open its log in the given way.
pub(crate) async fn run_session_with(
    world: &World,
    repository: &Path,
    draft: UncheckedRequest,
    script: &Value,
    logs: SessionLogs,
) -> SessionRun {
    let script = Script::parse(&script.to_string()).unwrap();
    let server = Server::bind("127.0.0.1:0", script, StandIn::default()).await.unwrap();
    let time = Arc::new(FastForward::default());
    let tasks = world.step_tasks(logs, &server.url(), "key".into()).unwrap();
    let interpreter = Arc::new(world.engine.interpreter(Arc::new(tasks), time).unwrap());
    let draft = UncheckedRequest { repo_url: repository.display().to_string(), ..draft };
    let session = start(&world.services(), start_request(world, "local", draft)).await.unwrap().session;
    let outcome = drive_session(world, &interpreter, &session.id, WaitPolicy::Release).await.unwrap().unwrap();
    let events = domain::read_all(&world.store, &session.id, Seq(0)).await.unwrap();
    let requests = server.requests().into_iter().filter(|request| request.path == "/v1/messages");
    let requests = requests.map(|request| serde_json::from_slice(&request.body).unwrap()).collect();
    let bill = server.bill();
    server.shutdown().await;
    SessionRun { events, requests, bill, outcome }
}

/// The price of a charge for Claude Sonnet 5.5 in micro-dollars, rounded up. It repeats the price list to check the catalogue.
pub(crate) fn sonnet_price(charge: &Charge) -> u64 {
    let tenths = charge.input * 20
        + charge.cache_read
        + charge.cache_write_5m * 25
        + charge.cache_write_1h * 40
        + charge.output * 100;
    tenths.div_ceil(10)
}

/// The input of the command that starts a session, without an idempotency key.
pub(crate) fn start_request(world: &World, owner: &str, draft: UncheckedRequest) -> Start {
    let request = draft.check("claude-sonnet-5-5", domain::Network::None).unwrap();
    Start { owner: owner.parse().unwrap(), request, setup: world.setup().unwrap(), key: None }
}

/// Time for the workflow that skips pauses.
#[derive(Default)]
pub(crate) struct FastForward {
    ahead: Mutex<Duration>,
}

#[async_trait]
impl asl::Time for FastForward {
    fn now(&self) -> Timestamp {
        asl::Time::now(&WallClock) + *self.ahead.lock().unwrap()
    }

    async fn sleep_until(&self, at: Timestamp) {
        let pause = elapsed(self.now(), at);
        // A task's time-out is minutes away and must not fire early. A pause between retries is at most 60 s.
        if pause > Duration::from_secs(100) {
            tokio::time::sleep(pause).await;
        } else {
            *self.ahead.lock().unwrap() += pause;
        }
    }
}
