//! The preparation of a workspace near its deadline, and a forge that asks for pauses.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent::{OpenPr, Prepare};
use asl::{Failure, TaskCall, Tasks};
use async_trait::async_trait;
use domain::commands::{message, start};
use domain::ports::{
    CloneSource, CommitAuthor, Forge, ForgeError, Publication, Published, PullRequest, PullRequestText, Repository,
};
use domain::{CommitId, Event, EventBody, Seq, SessionId, Status, Step, TASK_MARGIN, UncheckedRequest, WorkspacePath};
use local::{DriveOutcome, StepTasks, WaitPolicy, World, drive_session};
use serde_json::{Value, json};
use stand_ins::claude::{Script, Server, Settings as StandIn};

use crate::support::{
    FastForward, Home, PublishedBranch, bash, ends, git, repository, script, settings, start_request, world,
};

async fn events(world: &World, session: &SessionId) -> Vec<Event> {
    domain::read_all(&world.store, session, Seq(0)).await.unwrap()
}

fn of_kind<'a>(events: &'a [Event], kind: &str) -> Vec<&'a Event> {
    events.iter().filter(|event| event.body.kind() == kind).collect()
}

/// Starts a session on a repository and returns its id.
async fn begin(world: &World, checkout: &std::path::Path) -> SessionId {
    let draft = UncheckedRequest {
        repo_url: checkout.display().to_string(),
        prompt: "Add.".to_owned(),
        ..UncheckedRequest::default()
    };
    start(&world.services(), start_request(world, "local", draft)).await.unwrap().session.id
}

async fn model(turns: &[Value]) -> Server {
    let played = Script::parse(&script(turns).to_string()).unwrap();
    Server::bind("127.0.0.1:0", played, StandIn::default()).await.unwrap()
}

/// The steps, of which `prepare` has a second.
struct Hurried(StepTasks);

#[async_trait]
impl Tasks for Hurried {
    async fn invoke(&self, call: TaskCall) -> Result<Value, Failure> {
        let hurried = call.resource == Step::Prepare.name();
        let timeout = if hurried { TASK_MARGIN + Duration::from_secs(1) } else { call.timeout };
        self.0.invoke(TaskCall { timeout, ..call }).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preparation_that_does_not_fit_one_invocation_continues_where_it_was() {
    let home = Home::new();
    let world = world(settings(&home.beside("data"), &[]));
    let server = model(&[bash("echo two >> a.txt"), ends()]).await;
    let tasks = world.step_tasks(world.logs(), &server.url(), "key".into()).unwrap();
    let time = Arc::new(FastForward::default());
    let interpreter = Arc::new(world.engine.interpreter(Arc::new(Hurried(tasks)), time).unwrap());
    let session = begin(&world, &repository(&home, "project", &[("a.txt", "one\n")])).await;
    let ended = drive_session(&world, &interpreter, &session, WaitPolicy::Release).await.unwrap();
    assert_eq!(ended, Some(DriveOutcome::Ended(Status::Done)));
    let log = events(&world, &session).await;
    let prepared = log
        .iter()
        .filter(|event| matches!(&event.body, EventBody::StepFinished(finished) if finished.step == Step::Prepare));
    assert!(prepared.count() >= 3, "clone, record, restore");
    for kind in ["sandbox.created", "sandbox.attached", "sandbox.terminated"] {
        assert_eq!(of_kind(&log, kind).len(), 1, "{kind}");
    }
    server.shutdown().await;
}

/// A forge that asks for a pause at the first call of each kind. At the first look at the base branch that branch moves.
struct Pausing {
    forge: Arc<dyn Forge>,
    checkout: PathBuf,
    paused: Mutex<HashSet<&'static str>>,
}

impl Pausing {
    /// The first call with this name is a pause.
    fn pause(&self, call: &'static str) -> Result<(), ForgeError> {
        if self.paused.lock().unwrap().insert(call) { Err(ForgeError::Wait { seconds: 7 }) } else { Ok(()) }
    }
}

#[async_trait]
impl Forge for Pausing {
    async fn preflight(&self, repo_url: &str, base_branch: Option<&str>) -> Result<Repository, ForgeError> {
        self.pause("preflight")?;
        self.forge.preflight(repo_url, base_branch).await
    }

    async fn clone_source(&self, repository: &Repository) -> Result<CloneSource, ForgeError> {
        self.pause("clone_source")?;
        self.forge.clone_source(repository).await
    }

    async fn branch_head(&self, repository: &str, branch: &str) -> Result<Option<CommitId>, ForgeError> {
        if self.pause("branch_head").is_err() {
            std::fs::write(self.checkout.join("a.txt"), "one\ntheirs\n").unwrap();
            git(&self.checkout, &["commit", "--quiet", "--all", "--message=Theirs"]);
            return Err(ForgeError::Wait { seconds: 7 });
        }
        self.forge.branch_head(repository, branch).await
    }

    async fn changed_paths(
        &self,
        name: &str,
        from: &CommitId,
        to: &CommitId,
    ) -> Result<Vec<WorkspacePath>, ForgeError> {
        self.pause("changed_paths")?;
        self.forge.changed_paths(name, from, to).await
    }

    async fn contents(
        &self,
        repository: &str,
        commit: &CommitId,
        paths: &[WorkspacePath],
    ) -> Result<std::collections::BTreeMap<WorkspacePath, Vec<u8>>, ForgeError> {
        self.pause("contents")?;
        self.forge.contents(repository, commit, paths).await
    }

    async fn publish(&self, repository: &str, publication: &Publication) -> Result<Published, ForgeError> {
        self.pause("publish")?;
        self.forge.publish(repository, publication).await
    }

    async fn find_pull_request(&self, repository: &str, branch: &str) -> Result<Option<PullRequest>, ForgeError> {
        self.pause("find_pull_request")?;
        self.forge.find_pull_request(repository, branch).await
    }

    async fn open_pull_request(&self, repository: &str, text: &PullRequestText) -> Result<PullRequest, ForgeError> {
        self.pause("open_pull_request")?;
        self.forge.open_pull_request(repository, text).await
    }

    async fn update_pull_request(
        &self,
        repository: &str,
        pull_request: &PullRequest,
        text: &PullRequestText,
    ) -> Result<(), ForgeError> {
        self.pause("update_pull_request")?;
        self.forge.update_pull_request(repository, pull_request, text).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forge_that_pauses_at_each_call_delays_the_run_and_changes_nothing() {
    let home = Home::new();
    let world = world(settings(&home.beside("data"), &[]));
    let resolve = json!({
        "text": "Nothing was said of a conflict.",
        "when": [{
            "if": { "userContains": "conflict markers" },
            "text": "I resolve it.",
            "tools": [{ "name": "bash", "input": { "command": "grep -c '<<<<<<<' a.txt; printf 'one\\ntheirs\\nours\\n' > a.txt" } }],
        }],
    });
    let turns = [bash("echo ours >> a.txt"), ends(), resolve, ends(), bash("echo more >> a.txt"), ends()];
    let server = model(&turns).await;
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let forge = Arc::new(Pausing {
        forge: Arc::clone(&world.forge) as _,
        checkout: checkout.clone(),
        paused: Mutex::default(),
    });
    let mut tasks = world.step_tasks(world.logs(), &server.url(), "key".into()).unwrap();
    let handlers = Arc::get_mut(&mut tasks.handlers).unwrap();
    handlers.retain(|handler| ![Step::Prepare, Step::OpenPr].contains(&handler.step()));
    let (sandboxes, blobs) = (Arc::clone(&world.sandboxes), Arc::clone(&world.blobs));
    let author = CommitAuthor { name: "Tiny".to_owned(), email: "tiny@example.com".to_owned() };
    handlers.push(Box::new(Prepare { forge: Arc::clone(&forge) as _, sandboxes, blobs: blobs.clone() }));
    handlers.push(Box::new(OpenPr { forge: Arc::clone(&forge) as _, blobs, author }));
    let time = Arc::new(FastForward::default());
    let interpreter = Arc::new(world.engine.interpreter(Arc::new(tasks), time).unwrap());

    let session = begin(&world, &checkout).await;
    let drive = async || drive_session(&world, &interpreter, &session, WaitPolicy::Release).await.unwrap();
    assert_eq!(drive().await, Some(DriveOutcome::Ended(Status::Done)));
    message(&world.services(), &session, "Add more.", None).await.unwrap();
    assert_eq!(drive().await, Some(DriveOutcome::Ended(Status::Done)));

    assert_eq!(forge.paused.lock().unwrap().len(), 9, "every call was made");
    let log = events(&world, &session).await;
    let waits = log
        .iter()
        .filter(|event| matches!(&event.body, EventBody::StepFinished(finished) if finished.wait_seconds == Some(7)));
    assert_eq!(waits.count(), 9, "every pause was waited for");
    assert_eq!(of_kind(&log, "step.failed").len(), 0);
    assert_eq!(of_kind(&log, "pr.opened").len(), 1);
    assert_eq!(of_kind(&log, "pr.updated").len(), 1);
    assert_eq!(of_kind(&log, "sandbox.created").len(), 3, "one for each base and one for the follow-up");
    let published = domain::public_event(&session, of_kind(&log, "branch.published").pop().unwrap());
    assert_eq!(PublishedBranch::of(&published).file("a.txt"), "one\ntheirs\nours\nmore");
    server.shutdown().await;
}
