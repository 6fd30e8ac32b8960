//! The contract of sandbox providers, and of the supervisor that answers in their sandboxes.

use std::path::Path;
use std::time::Duration;

use domain::Network;
use domain::ports::{ByteConnection, Resources, Sandbox, SandboxError, SandboxSpec, Sandboxes, SealedHandle};
use local::{LocalSandboxes, Networks, Toolchains};
use sandbox::Mode;
use sandbox_protocol::{
    ByteRange, Client, ClientError, Exec, Exit, ExitStatus, FailureKind, Listed, Program, Progress, Started, Stream,
};
use toolbox::{Answer, Call, Create, View};

use super::second_process;
use crate::support::{Home, program, session_id, settings};

const TIMEOUT: Duration = Duration::from_secs(30);

type Connected = Client<Box<dyn ByteConnection>>;

fn exec(id: &str, script: &str) -> Exec {
    let program = Program::Command(["sh", "-c", script].map(str::to_owned).to_vec());
    let environment = vec![("COLOUR".to_owned(), "green".to_owned())];
    Exec { environment, directory: Some("/".to_owned()), kept_bytes: 1000, ..Exec::new(id, program) }
}

/// A command that counts how often it runs.
fn once(workspace: &str) -> Exec {
    exec("once", &format!("cat; echo \" $COLOUR\"; echo wrong >&2; echo x >> {workspace}/count; exit 3"))
}

/// The sandbox that both processes know.
fn spec() -> SandboxSpec {
    SandboxSpec {
        session: session_id(1),
        owner: "somebody".parse().unwrap(),
        run: domain::RunNumber(1),
        generation: 1,
        source: None,
        network: Network::None,
        lifetime: Duration::from_secs(3600),
        resources: Resources::default(),
        image: None,
    }
}

async fn create(sandboxes: &dyn Sandboxes) -> Sandbox {
    sandboxes.create(&spec()).await.unwrap()
}

async fn connect(sandboxes: &dyn Sandboxes, sandbox: &Sandbox) -> Connected {
    Client::connect(sandboxes.connect(&sandbox.id, &sandbox.handle).await.unwrap()).await.unwrap()
}

async fn run(client: &Connected, exec: Exec, input: &[u8]) -> (Exit, String) {
    let (progress, head) = client.run(exec, input, TIMEOUT, 10_000).await.unwrap();
    let Progress::Finished(exit) = progress else { panic!("no end") };
    (exit, String::from_utf8(head).unwrap())
}

async fn ended(client: &Connected, exec: &str) -> ExitStatus {
    let (progress, _) = client.wait(exec, TIMEOUT, 0).await.unwrap();
    let Progress::Finished(exit) = progress else { panic!("{exec} has no end") };
    exit.status
}

async fn times_run(client: &Connected, id: &str) -> String {
    let count = exec(id, &format!("wc -l < {}/count", client.layout().workspace));
    run(client, count, b"").await.1.trim().to_owned()
}

async fn first(sandboxes: &dyn Sandboxes) -> Connected {
    let sandbox = create(sandboxes).await;
    assert_eq!(create(sandboxes).await, sandbox, "the same session, run and generation get the same sandbox");
    let listed = sandboxes.list(Some(&spec().session)).await.unwrap();
    assert_eq!(listed.iter().map(|listed| &listed.id).collect::<Vec<_>>(), [&sandbox.id]);
    assert_eq!(sandboxes.list(Some(&session_id(2))).await.unwrap(), []);
    let client = connect(sandboxes, &sandbox).await;
    commands(&client).await;
    outputs_and_ends(&client).await;
    toolbox_calls(&client).await;
    a_caller_who_leaves(sandboxes, &sandbox, &client).await;
    client
}

async fn commands(client: &Connected) {
    let workspace = client.layout().workspace.clone();
    // A command is started once, however often its id is given.
    assert_eq!(client.start(once(&workspace), b"from outside").await.unwrap(), Started::New);
    assert_eq!(ended(client, "once").await, ExitStatus::Exited(3));
    let stdout = client.output("once", Stream::Stdout, ByteRange::From(0, 100)).await.unwrap();
    assert_eq!(stdout, b"from outside green\n");
    assert_eq!(client.output("once", Stream::Stderr, ByteRange::Last(100)).await.unwrap(), b"wrong\n");
    let again = client.start(once(&workspace), b"other input").await.unwrap();
    assert!(matches!(again, Started::Finished(exit) if exit.status == ExitStatus::Exited(3)));
    let (_, told_again) = run(client, once(&workspace), b"other input").await;
    assert_eq!(told_again, "from outside green\n");
    assert_eq!(times_run(client, "count").await, "1");

    // Requests are answered in any order: this one while the other waits.
    let slow = client.run(exec("slow", &format!("until [ -e {workspace}/go ]; do sleep 0.01; done")), b"", TIMEOUT, 0);
    let go = async { run(client, exec("go", &format!("touch {workspace}/go")), b"").await };
    let (slow, _) = futures_util::future::join(slow, go).await;
    assert!(matches!(slow.unwrap().0, Progress::Finished(exit) if exit.status == ExitStatus::Exited(0)));

    let refused = |answer: Result<Started, ClientError>| match answer {
        Err(ClientError::Failed(failure)) => failure.kind,
        other => panic!("{other:?}"),
    };
    for id in ["", "../x", "a/b", &"x".repeat(101)] {
        assert_eq!(refused(client.start(exec(id, "true"), b"").await), FailureKind::Invalid, "{id}");
    }
    let unknown = client.wait("never-started", TIMEOUT, 0).await;
    assert!(matches!(unknown, Err(ClientError::Failed(failure)) if failure.kind == FailureKind::Unknown));
}

async fn outputs_and_ends(client: &Connected) {
    // Of a long output only the first `kept_bytes` and the end are stored.
    let (exit, head) = run(client, exec("long", "seq 1 1000"), b"").await;
    assert_eq!((exit.stdout_bytes, head.len()), (3893, 1000));
    assert_eq!(client.output("long", Stream::Stdout, ByteRange::From(0, 5000)).await.unwrap().len(), 1000);
    assert_eq!(
        client.output("long", Stream::Stdout, ByteRange::From(990, 5)).await.unwrap(),
        &head.as_bytes()[990..995]
    );
    assert_eq!(client.output("long", Stream::Stdout, ByteRange::Last(9)).await.unwrap(), b"999\n1000\n");

    // A running command is joined, and killing it kills the processes that it started.
    let endless = || exec("endless", "sleep 1000 & sleep 1000");
    assert_eq!(client.start(endless(), b"").await.unwrap(), Started::New);
    assert_eq!(client.start(endless(), b"").await.unwrap(), Started::Running);
    assert_eq!(client.wait("endless", Duration::ZERO, 0).await.unwrap().0, Progress::Running);
    client.kill("endless").await.unwrap();
    assert_eq!(ended(client, "endless").await, ExitStatus::Killed);
    client.kill("endless").await.unwrap();

    let late = Exec { timeout: Duration::from_millis(200), ..exec("late", "sleep 1000") };
    assert_eq!(run(client, late, b"").await.0.status, ExitStatus::TimedOut);
    let background = run(client, exec("background", "sleep 1000 & sleep 1000 &"), b"").await.0;
    assert_eq!((background.status, background.background_ended), (ExitStatus::Exited(0), 2));
}

async fn toolbox_calls(client: &Connected) {
    let workspace = &client.layout().workspace;
    let create = |text: &str| Call::Create(Create { path: format!("{workspace}/new.txt"), file_text: text.to_owned() });
    let Ok(Answer::Create(_)) = client.ask(&create("unrecorded"), TIMEOUT).await.unwrap() else { panic!() };
    let view = Call::View(View { path: format!("{workspace}/new.txt"), view_range: None, max_characters: None });
    let Ok(Answer::View(viewed)) = client.ask(&view, TIMEOUT).await.unwrap() else { panic!() };
    assert!(viewed.text.contains("unrecorded"), "{}", viewed.text);
    let failure = client
        .ask(&Call::View(View { path: "/etc/passwd".to_owned(), view_range: None, max_characters: None }), TIMEOUT)
        .await;
    assert_eq!(failure.unwrap().unwrap_err().kind, toolbox::ErrorKind::Path);

    // A recorded call is carried out once, too.
    let recorded = |text: &str| serde_json::to_vec(&create(text)).unwrap();
    let call = || Exec { kept_bytes: 1 << 20, ..Exec::new("edit", Program::Toolbox) };
    let (exit, answer) = run(client, call(), &recorded("recorded")).await;
    assert_eq!(exit.status, ExitStatus::Exited(0));
    assert!(matches!(toolbox::Response::parse(answer.as_bytes()), Ok(Answer::Create(_))), "{answer}");
    assert_eq!(run(client, call(), &recorded("not this")).await.1, answer);
    let (_, content) = run(client, exec("read-edit", &format!("cat {workspace}/new.txt")), b"").await;
    assert_eq!(content, "recorded");
    // What is no call is refused and harms nobody.
    let refused = client.start(Exec::new("nonsense", Program::Toolbox), b"{").await;
    assert!(matches!(refused, Err(ClientError::Failed(failure)) if failure.kind == FailureKind::Invalid));
}

/// A connection that closes in the middle of calls takes nothing with it.
async fn a_caller_who_leaves(sandboxes: &dyn Sandboxes, sandbox: &Sandbox, client: &Connected) {
    let other = connect(sandboxes, sandbox).await;
    assert_eq!(other.start(exec("left-alone", "sleep 1000"), b"").await.unwrap(), Started::New);
    let waiting = other.wait("left-alone", TIMEOUT, 0);
    assert!(tokio::time::timeout(Duration::from_millis(20), waiting).await.is_err());
    drop(other);
    assert_eq!(client.wait("left-alone", Duration::ZERO, 0).await.unwrap().0, Progress::Running);
    client.kill("left-alone").await.unwrap();
    assert_eq!(ended(client, "left-alone").await, ExitStatus::Killed);
}

/// In another process, while the first one is connected: what was started there is joined, and its record is the same.
async fn second(sandboxes: &dyn Sandboxes) {
    let sandbox = create(sandboxes).await;
    let client = connect(sandboxes, &sandbox).await;
    let workspace = client.layout().workspace.clone();
    let (exit, output) = run(&client, once(&workspace), b"").await;
    assert_eq!((exit.status, output.as_str()), (ExitStatus::Exited(3), "from outside green\n"));
    assert_eq!(times_run(&client, "counted-again").await, "1");
    let shared = client.wait("shared", Duration::ZERO, 0).await.unwrap().0;
    assert_eq!(shared, Progress::Running, "of the first process");
    let listed = client.list().await.unwrap();
    assert!(listed.contains(&Listed { id: "shared".to_owned(), progress: Progress::Running }), "{listed:?}");
    client.kill("shared").await.unwrap();
    assert_eq!(ended(&client, "shared").await, ExitStatus::Killed);
    client.start(exec("of-the-second", "echo kept; sleep 1000"), b"").await.unwrap();
    while client.output("of-the-second", Stream::Stdout, ByteRange::Last(5)).await.unwrap() != b"kept\n" {}
}

/// The first process again, which is still connected.
async fn meanwhile(client: &Connected) {
    assert_eq!(ended(client, "shared").await, ExitStatus::Killed, "by the second process");
    assert_eq!(client.wait("of-the-second", Duration::ZERO, 0).await.unwrap().0, Progress::Running);
}

/// After the process that created the sandbox is gone.
async fn after(sandboxes: &dyn Sandboxes) {
    let sandbox = create(sandboxes).await;
    let client = connect(sandboxes, &sandbox).await;
    assert_eq!(times_run(&client, "counted-at-last").await, "1");
    assert_eq!(ended(&client, "once").await, ExitStatus::Exited(3));
    assert_eq!(client.wait("of-the-second", TIMEOUT, 0).await.unwrap().0, Progress::CutOff);
    let again = client.start(exec("of-the-second", "echo again"), b"").await.unwrap();
    assert_eq!(again, Started::CutOff, "not repeated");
    assert_eq!(client.output("of-the-second", Stream::Stdout, ByteRange::From(0, 10)).await.unwrap(), b"kept\n");

    sandboxes.terminate(&sandbox.id).await.unwrap();
    sandboxes.terminate(&sandbox.id).await.unwrap();
    assert!(matches!(client.list().await, Err(ClientError::Gone(_))));
    assert!(!client.is_open());
    assert!(matches!(sandboxes.connect(&sandbox.id, &SealedHandle::default()).await, Err(SandboxError::Lost(_))));
    assert_eq!(sandboxes.list(None).await.unwrap(), []);

    // The end of its lifetime is the end of a sandbox.
    let short = SandboxSpec { generation: 2, lifetime: Duration::from_millis(100), ..spec() };
    let sandbox = sandboxes.create(&short).await.unwrap();
    if let Ok(connection) = sandboxes.connect(&sandbox.id, &sandbox.handle).await {
        let client = Client::connect(connection).await;
        let run = async { client?.run(exec("too-long", "sleep 1000"), b"", TIMEOUT, 0).await };
        assert!(matches!(run.await, Err(ClientError::Gone(_))));
    }
    let lost = sandboxes.connect(&sandbox.id, &sandbox.handle).await;
    assert!(matches!(lost, Err(SandboxError::Lost(_))));
    sandboxes.terminate(&sandbox.id).await.unwrap();
}

/// Of many callers that find a supervisor gone, one starts the next, and all reach it.
async fn all_at_once(sandboxes: &dyn Sandboxes, sandbox: &Sandbox, directory: &Path) {
    supervisor::end(directory).unwrap();
    let clients = futures_util::future::join_all((0..16).map(|_| connect(sandboxes, sandbox))).await;
    for client in &clients {
        assert!(client.list().await.is_ok());
    }
}

/// Kills the worker of the toolbox from outside, where no command could: the next call has another one, or is itself the one that
/// fails.
async fn a_worker_that_is_killed(client: &Connected, directory: &Path) {
    let survey = || client.ask(&Call::Survey(toolbox::Survey {}), TIMEOUT);
    survey().await.unwrap().unwrap();
    let connection = supervisor::connect(directory).unwrap();
    let supervisor = rustix::net::sockopt::socket_peercred(&connection).unwrap().pid;
    let worker = deepest(supervisor.as_raw_nonzero().get(), 0).1;
    rustix::process::kill_process(rustix::process::Pid::from_raw(worker).unwrap(), rustix::process::Signal::KILL)
        .unwrap();
    match survey().await {
        Ok(answer) => assert!(answer.is_ok()),
        Err(ClientError::Failed(failure)) => {
            assert_eq!(failure.kind, FailureKind::WorkerDied);
            survey().await.unwrap().unwrap();
        }
        Err(other) => panic!("{other}"),
    }
    assert_ne!(deepest(supervisor.as_raw_nonzero().get(), 0).1, worker);
}

/// The descendant that is furthest from a process, with its distance: below a supervisor that runs no command, the worker.
fn deepest(process: i32, distance: u32) -> (u32, i32) {
    let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    let below = children.split_whitespace().map(|child| deepest(child.parse().unwrap(), distance + 1));
    below.chain([(distance, process)]).max().unwrap()
}

fn local(directory: &Path, mode: Mode) -> LocalSandboxes {
    let settings = settings(&directory.join("data"), &[]);
    let toolchains = Toolchains::new(&settings, "somebody".parse().unwrap());
    let networks = Networks::new(&settings);
    LocalSandboxes::new(directory.join("data/sandboxes"), program(), mode, toolchains, networks, settings.limits)
}

async fn fulfils_the_contract(mode: Mode, test: &str) {
    if let Some(directory) = second_process::directory() {
        return second(&local(&directory, mode)).await;
    }
    let home = Home::new();
    // In reduced mode the superuser's commands run as another user, who must be able to enter the directory.
    let searchable = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o711);
    std::fs::set_permissions(home.path(), searchable).unwrap();
    std::fs::create_dir_all(home.beside("data/sandboxes")).unwrap();
    let sandboxes = local(home.path(), mode);
    let sandbox = create(&sandboxes).await;
    let directory = home.beside("data/sandboxes").join(sandbox.id.as_str());
    all_at_once(&sandboxes, &sandbox, &directory).await;
    let client = first(&sandboxes).await;
    a_worker_that_is_killed(&client, &directory).await;
    client.start(exec("shared", "sleep 1000"), b"").await.unwrap();
    second_process::run(test, home.path());
    meanwhile(&client).await;
    drop((client, sandboxes));
    after(&local(home.path(), mode)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_local_sandboxes_fulfil_the_contract_isolated() {
    fulfils_the_contract(Mode::Isolated, "contracts::sandboxes::the_local_sandboxes_fulfil_the_contract_isolated")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_local_sandboxes_fulfil_the_contract_reduced() {
    fulfils_the_contract(Mode::Reduced, "contracts::sandboxes::the_local_sandboxes_fulfil_the_contract_reduced").await;
}
