//! The contract of sandbox providers.

use std::time::Duration;

use domain::ports::{
    ByteRange, Exec, ExecState, ExitStatus, Network, Program, SandboxError, SandboxSpec, Sandboxes, Started, Stderr,
    Stream,
};
use local::LocalSandboxes;

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

async fn contract(sandboxes: &dyn Sandboxes) {
    let spec = SandboxSpec {
        session: session_id(1),
        run: domain::RunNumber(1),
        generation: 1,
        source: None,
        network: Network::None,
    };
    let sandbox = sandboxes.create(&spec).await.unwrap();
    assert_eq!(
        sandboxes.create(&spec).await.unwrap().id,
        sandbox.id,
        "the same session, run and generation get the same sandbox"
    );
    assert_eq!(sandboxes.attach(&sandbox.id).await.unwrap(), sandbox);
    let id = &sandbox.id;
    let workspace = &sandbox.layout.workspace;

    // A command is started once, however often its id is given.
    let first = exec("first", &format!("cat; echo \" $COLOUR\"; echo wrong >&2; echo x >> {workspace}/count; exit 3"));
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

    sandboxes.terminate(id).await.unwrap();
    sandboxes.terminate(id).await.unwrap();
    assert!(matches!(sandboxes.attach(id).await, Err(SandboxError::Lost(_))));
}

#[tokio::test]
async fn the_local_sandboxes_fulfil_the_contract_isolated_and_reduced() {
    for mode in [sandbox::Mode::Isolated, sandbox::Mode::Reduced] {
        let home = Home::new();
        // In reduced mode the superuser's commands run as another user, who must be able to enter the directory.
        let searchable = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o711);
        std::fs::set_permissions(home.path(), searchable).unwrap();
        let directory = home.beside("data/sandboxes");
        std::fs::create_dir_all(&directory).unwrap();
        contract(&LocalSandboxes::new(directory, program(), mode, Vec::new())).await;
    }
}
