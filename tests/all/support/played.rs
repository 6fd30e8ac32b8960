//! Sessions played in the process of the test, so that it sees what the model was sent.

use std::path::Path;
use std::sync::Arc;

use domain::commands::{Start, start};
use domain::ports::EventLog;
use domain::{Event, EventBody, Seq, UncheckedRequest};
use local::{DriveOutcome, KeepTree, Settings, Store, WaitPolicy, World, drive_session, variables};
use serde_json::Value;
use stand_ins::claude::{Script, Server, Settings as StandIn};

use super::{Home, program};
use crate::faults::Hurried;

/// A session that was played until it ended or waited for somebody.
pub(crate) struct Played {
    pub(crate) events: Vec<Event>,
    /// What the model was sent, in order.
    pub(crate) requests: Vec<Value>,
    pub(crate) outcome: DriveOutcome,
}

impl Played {
    /// The frames of one kind of event.
    pub(crate) fn of_kind(&self, kind: &str) -> Vec<Value> {
        let Some(EventBody::SessionCreated(created)) = self.events.first().map(|event| &event.body) else {
            return Vec::new();
        };
        let of_kind = self.events.iter().filter(|event| event.body.kind() == kind);
        of_kind.map(|event| domain::public_event(&created.session.id, event)).collect()
    }

    /// The requests of the conversation that does the work: those with tools.
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

/// Plays a session with a prompt on a repository.
pub(crate) async fn play(
    home: &Home,
    repository: &Path,
    draft: UncheckedRequest,
    more: &[(&str, &str)],
    script: &Value,
) -> Played {
    play_over(home, repository, draft, more, script, |store| Arc::new(store)).await
}

/// The same, with another log before the store.
pub(crate) async fn play_over(
    home: &Home,
    repository: &Path,
    draft: UncheckedRequest,
    more: &[(&str, &str)],
    script: &Value,
    event_log: impl FnOnce(Store) -> Arc<dyn EventLog>,
) -> Played {
    let data = home.beside("data").display().to_string();
    let settings = Settings::from(|name| {
        let given = more.iter().find(|(given, _)| *given == name).map(|(_, value)| (*value).to_owned());
        given.or_else(|| (name == variables::BACKSPACE_HOME).then(|| data.clone()))
    });
    let world = World::with_program(settings.unwrap(), KeepTree::No, program()).unwrap();
    let script = Script::parse(&script.to_string()).unwrap();
    let server = Server::bind("127.0.0.1:0", script, StandIn::default()).await.unwrap();
    let event_log = event_log(world.store.clone());
    let interpreter =
        world.interpreter_over(event_log, Arc::new(Hurried::default()), &server.url(), "key".into()).unwrap();
    let draft = UncheckedRequest { repo_url: repository.display().to_string(), ..draft };
    let request = draft.check("claude-sonnet-5-5").unwrap();
    let begin = Start { owner: "local".parse().unwrap(), request, setup: world.setup().unwrap(), key: None };
    let session = start(&world.services(), begin).await.unwrap().session;
    let outcome = drive_session(&world, &interpreter, &session.id, WaitPolicy::Release).await.unwrap().unwrap();
    let events = domain::read_all(&world.store, &session.id, Seq(0)).await.unwrap();
    let requests = server.requests().into_iter().filter(|request| request.path == "/v1/messages");
    let requests = requests.map(|request| serde_json::from_slice(&request.body).unwrap()).collect();
    server.shutdown().await;
    Played { events, requests, outcome }
}
