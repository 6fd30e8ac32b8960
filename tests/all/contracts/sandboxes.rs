//! The contract of sandbox providers.

use std::path::Path;
use std::time::Duration;

use domain::ports::{
    ByteRange, Exec, ExecState, ExitStatus, Network, Program, Sandbox, SandboxError, SandboxSpec, Sandboxes, Started,
    Stderr, Stream,
};
use local::LocalSandboxes;
use sandbox::Mode;

use super::second_process;
use crate::support::{Home, program, session_id};

const TIMEOUT: Duration = Duration::from_secs(30);

fn exec(id: &str, script: &str) -> Exec {
    Exec {
        id: id.parse().unwrap(),
        program: Program::Command(["sh", "-c", script].map(str::to_owned).to_vec()),
        stdin: b"from outside".to_vec(),
        environment: vec![("COLOUR".to_owned(), "green".to_owned())],
        secrets: Vec::new(),
        directory: "/".to_owned(),
        timeout: TIMEOUT,
        stderr: Stderr::Separate,
        kept_bytes: 1000,
    }
}

/// A command that counts how often it runs.
fn once(workspace: &str) -> String {
    format!("cat; echo \" $COLOUR\"; echo wrong >&2; echo x >> {workspace}/count; exit 3")
}

/// The sandbox that both processes know.
async fn create(sandboxes: &dyn Sandboxes) -> Sandbox {
    let spec = SandboxSpec {
        session: session_id(1),
        run: domain::RunNumber(1),
        generation: 1,
        source: None,
        network: Network::None,
    };
    sandboxes.create(&spec).await.unwrap()
}

async fn first(sandboxes: &dyn Sandboxes) {
    let sandbox = create(sandboxes).await;
    let again = create(sandboxes).await;
    assert_eq!(again.id, sandbox.id, "the same session, run and generation get the same sandbox");
    assert_eq!(sandboxes.attach(&sandbox.id).await.unwrap(), sandbox);
    let id = &sandbox.id;
    let workspace = &sandbox.layout.workspace;

    // A command is started once, however often its id is given.
    let first = exec("first", &once(workspace));
    assert_eq!(sandboxes.start(id, &first).await.unwrap(), Started::New);
    let ExecState::Finished(exit) = sandboxes.wait(id, &first.id, TIMEOUT).await.unwrap() else { panic!("no end") };
    assert_eq!(exit.status, ExitStatus::Exited(3));
    let stdout = sandboxes.output(id, &first.id, Stream::Stdout, ByteRange::From(0, 100)).await.unwrap();
    assert_eq!(stdout, b"from outside green\n");
    assert_eq!(sandboxes.output(id, &first.id, Stream::Stderr, ByteRange::Last(100)).await.unwrap(), b"wrong\n");
    assert!(
        matches!(sandboxes.start(id, &first).await.unwrap(), Started::Finished(again) if again.status == exit.status)
    );
    let count = exec("count", &format!("wc -l < {workspace}/count"));
    sandboxes.start(id, &count).await.unwrap();
    sandboxes.wait(id, &count.id, TIMEOUT).await.unwrap();
    let counted = sandboxes.output(id, &count.id, Stream::Stdout, ByteRange::From(0, 10)).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&counted).trim(), "1", "run once");

    // Of a long output only the first `kept_bytes` and the end are stored.
    let long = exec("long", "seq 1 1000");
    sandboxes.start(id, &long).await.unwrap();
    let ExecState::Finished(exit) = sandboxes.wait(id, &long.id, TIMEOUT).await.unwrap() else { panic!("no end") };
    assert_eq!(exit.stdout_bytes, 3893);
    let head = sandboxes.output(id, &long.id, Stream::Stdout, ByteRange::From(0, 5000)).await.unwrap();
    assert_eq!(head.len(), 1000);
    assert_eq!(sandboxes.output(id, &long.id, Stream::Stdout, ByteRange::Last(9)).await.unwrap(), b"999\n1000\n");

    // A running command is joined, and killing it kills the processes that it started.
    let endless = exec("endless", "sleep 1000 & sleep 1000");
    assert_eq!(sandboxes.start(id, &endless).await.unwrap(), Started::New);
    assert_eq!(sandboxes.start(id, &endless).await.unwrap(), Started::Running);
    assert_eq!(sandboxes.wait(id, &endless.id, Duration::ZERO).await.unwrap(), ExecState::Running);
    sandboxes.kill(id, &endless.id).await.unwrap();
    let ExecState::Finished(exit) = sandboxes.wait(id, &endless.id, TIMEOUT).await.unwrap() else { panic!("no end") };
    assert_eq!(exit.status, ExitStatus::Killed);

    let late = Exec { timeout: Duration::from_millis(200), ..exec("late", "sleep 1000") };
    sandboxes.start(id, &late).await.unwrap();
    let ExecState::Finished(exit) = sandboxes.wait(id, &late.id, TIMEOUT).await.unwrap() else { panic!("no end") };
    assert_eq!(exit.status, ExitStatus::TimedOut);
}

/// In another process: a command that has run is not run again, and its record is the same.
async fn second(sandboxes: &dyn Sandboxes) {
    let sandbox = create(sandboxes).await;
    let (id, workspace) = (&sandbox.id, &sandbox.layout.workspace);
    assert_eq!(sandboxes.attach(id).await.unwrap(), sandbox);
    let first = exec("first", &once(workspace));
    let started = sandboxes.start(id, &first).await.unwrap();
    assert!(matches!(started, Started::Finished(exit) if exit.status == ExitStatus::Exited(3)));
    let stdout = sandboxes.output(id, &first.id, Stream::Stdout, ByteRange::From(0, 100)).await.unwrap();
    assert_eq!(stdout, b"from outside green\n");
    let counted = exec("counted-again", &format!("wc -l < {workspace}/count"));
    sandboxes.start(id, &counted).await.unwrap();
    sandboxes.wait(id, &counted.id, TIMEOUT).await.unwrap();
    let lines = sandboxes.output(id, &counted.id, Stream::Stdout, ByteRange::From(0, 10)).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&lines).trim(), "1", "run once");
}

async fn after(sandboxes: &dyn Sandboxes) {
    let id = &create(sandboxes).await.id;
    sandboxes.terminate(id).await.unwrap();
    sandboxes.terminate(id).await.unwrap();
    assert!(matches!(sandboxes.attach(id).await, Err(SandboxError::Lost(_))));
}

fn local(directory: &Path, mode: Mode) -> LocalSandboxes {
    LocalSandboxes::new(directory.join("data/sandboxes"), program(), mode, Vec::new())
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
    first(&local(home.path(), mode)).await;
    // One process at a time holds the sandbox; the next one takes it over.
    second_process::run(test, home.path());
    after(&local(home.path(), mode)).await;
}

#[tokio::test]
async fn the_local_sandboxes_fulfil_the_contract_isolated() {
    fulfils_the_contract(Mode::Isolated, "contracts::sandboxes::the_local_sandboxes_fulfil_the_contract_isolated")
        .await;
}

#[tokio::test]
async fn the_local_sandboxes_fulfil_the_contract_reduced() {
    fulfils_the_contract(Mode::Reduced, "contracts::sandboxes::the_local_sandboxes_fulfil_the_contract_reduced").await;
}
