use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use sandbox_protocol::{Call, Exec, ExitStatus, Frames, Greeting, Progress, Request, encode};

use crate::world::{Connection, World, command};
use crate::{BOTH, ISOLATED, Scenario};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("two processes see the same", BOTH, two_processes),
    ("a client that dies in the middle of its wait costs nothing but the wait", BOTH, client_killed),
    ("a client that talks nonsense loses its own connection only", BOTH, nonsense),
    ("a client that does not read holds nobody up", BOTH, silent_reader),
    ("the relay carries a whole conversation", ISOLATED, relay),
    ("another user of the machine cannot connect", ISOLATED, other_user),
];

/// Another process with a connection of its own.
fn other_client(directory: &Path, exec: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["client", exec])
        .arg(directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Starts the exec that the other process has started as well, and waits for its end.
pub(crate) fn client(exec: &str, directory: &str) -> ExitCode {
    let connection = Connection::new(Path::new(directory));
    let started = connection.start(shared(exec), b"").unwrap();
    println!("{started:?}");
    let Progress::Finished(exit) = connection.wait(exec) else { return ExitCode::FAILURE };
    println!("{:?}", exit.status);
    ExitCode::SUCCESS
}

fn shared(id: &str) -> Exec {
    command(id, &["bash", "-c", "echo run >> runs; until test -e go; do sleep 0.01; done; exit 3"])
}

fn two_processes(world: &World) {
    let sandbox = world.open();
    let mut others = [other_client(sandbox.directory(), "shared"), other_client(sandbox.directory(), "shared")];
    let mut outputs = others.each_mut().map(|other| BufReader::new(other.stdout.take().unwrap()).lines());
    let mut started = outputs.each_mut().map(|lines| lines.next().unwrap().unwrap());
    started.sort();
    assert_eq!(started, ["New", "Running"]);
    std::fs::write(sandbox.directory().join("workspace/go"), "").unwrap();
    for (lines, other) in outputs.iter_mut().zip(&mut others) {
        assert_eq!(lines.next().unwrap().unwrap(), "Exited(3)");
        assert!(other.wait().unwrap().success());
    }
    assert_eq!(sandbox.exit("shared").status, ExitStatus::Exited(3));
    assert_eq!(std::fs::read_to_string(sandbox.directory().join("workspace/runs")).unwrap(), "run\n");
}

fn client_killed(world: &World) {
    let sandbox = world.open();
    let mut other = other_client(sandbox.directory(), "shared");
    let mut line = String::new();
    BufReader::new(other.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "New\n");
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(sandbox.wait_for("shared", Duration::from_millis(50)).unwrap(), Progress::Running);
    std::fs::write(sandbox.directory().join("workspace/go"), "").unwrap();
    assert_eq!(sandbox.exit("shared").status, ExitStatus::Exited(3));
}

fn nonsense(world: &World) {
    let sandbox = world.open();
    let not_json = encode(&"no request", b"").unwrap();
    for bytes in [&[0xff; 64][..], b"GET / HTTP/1.1\r\n\r\n", &not_json] {
        let mut stream = supervisor::connect(sandbox.directory()).unwrap();
        stream.write_all(bytes).unwrap();
        // The greeting, and then the end.
        let mut heard = Vec::new();
        let _ = stream.read_to_end(&mut heard);
    }
    // In the middle of a frame.
    let mut stream = supervisor::connect(sandbox.directory()).unwrap();
    stream.write_all(&[1, 0, 0, 0]).unwrap();
    drop(stream);
    assert!(world.run(&sandbox, "true").succeeded());
}

fn silent_reader(world: &World) {
    let sandbox = world.open();
    let large = world.script("head -c 9000000 /dev/zero");
    let id = large.id.clone();
    sandbox.run(large, b"");
    let mut silent = supervisor::connect(sandbox.directory()).unwrap();
    let call = |request| Call::Output {
        exec: request,
        stream: sandbox_protocol::Stream::Stdout,
        range: sandbox_protocol::ByteRange::From(0, 9_000_000),
    };
    for number in 0..200 {
        let request = Request { id: number, call: call(id.clone()) };
        silent.write_all(&encode(&request, b"").unwrap()).unwrap();
    }
    // A command ends in time and its client hears of it.
    let late = Exec { timeout: Duration::from_millis(100), ..world.script("sleep 1000") };
    assert_eq!(sandbox.run(late, b"").exit.status, ExitStatus::TimedOut);
    let supervisor = crate::world::supervisors()[0];
    let status = std::fs::read_to_string(format!("/proc/{supervisor}/status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    // Not two hundred times nine megabytes.
    assert!(kilobytes < 100_000, "{kilobytes} kB");
    // Whoever reads at last gets all.
    silent.set_read_timeout(Some(crate::world::LONG)).unwrap();
    let mut expected = 200_u64 * 9_000_000;
    let mut chunk = vec![0; 1 << 20];
    while expected > 0 {
        let read = silent.read(&mut chunk).unwrap();
        assert_ne!(read, 0);
        expected = expected.saturating_sub(read as u64);
    }
}

fn relay(world: &World) {
    let sandbox = world.open();
    let mut relay = Command::new(env!("CARGO_BIN_EXE_supervisor"))
        .arg("relay")
        .arg(sandbox.directory())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    // An ordinary user may not reach the program.
    let Ok(relay) = &mut relay else { return };
    let request = Request { id: 7, call: Call::List };
    relay.stdin.as_mut().unwrap().write_all(&encode(&request, b"").unwrap()).unwrap();
    let mut frames = Frames::default();
    let mut output = relay.stdout.take().unwrap();
    let mut receive = |frames: &mut Frames| {
        let mut chunk = [0; 1024];
        let read = output.read(&mut chunk).unwrap();
        assert_ne!(read, 0);
        frames.push(&chunk[..read]);
    };
    let greeting = loop {
        match frames.take::<Greeting>().unwrap() {
            Some((greeting, _)) => break greeting,
            None => receive(&mut frames),
        }
    };
    assert_eq!(greeting, Greeting::new(sandbox.layout().clone()));
    let reply = loop {
        match frames.take::<sandbox_protocol::Reply>().unwrap() {
            Some((reply, _)) => break reply,
            None => receive(&mut frames),
        }
    };
    assert_eq!(reply.id, 7);
    drop(relay.stdin.take());
    assert!(relay.wait().unwrap().success());
    assert!(world.run(&sandbox, "true").succeeded());
}

/// Only the superuser can try.
fn other_user(world: &World) {
    let sandbox = world.open();
    if !nix::unistd::Uid::effective().is_root() {
        return;
    }
    // Even where the directory and the socket are open to everybody.
    for path in [sandbox.directory().to_path_buf(), sandbox.directory().join("socket")] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    let script = format!(
        "use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Peer => '{}') or die; sysread($s, my $b, 1) ? exit 0 : exit 7",
        sandbox.directory().join("socket").display()
    );
    let tried = Command::new("perl").args(["-e", &script]).uid(12_345).gid(12_345).status().unwrap();
    assert_eq!(tried.code(), Some(7));
    assert!(world.run(&sandbox, "true").succeeded());
}
