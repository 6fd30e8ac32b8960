use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use sandbox::{Exec, ExecId, Limits, Mode, Sandbox, Specification, Status};

use crate::world::{World, launcher};
use crate::{BOTH, Scenario};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("a time-out ends a grandchild that ignores SIGTERM", BOTH, timed_out),
    ("a killed command may say goodbye", BOTH, killed),
    ("processes in the background end with the command and are counted", BOTH, background),
    ("a fork bomb stops at the limit and goes with its exec", BOTH, fork_bomb),
    ("dropping the handle ends everything and keeps the directory", BOTH, dropped),
    ("killing the embedding program ends everything", BOTH, embedder_killed),
];

/// Reads until the last process that holds the FIFO is gone; how long that took.
fn await_silence(alive: &mut impl Read) -> Duration {
    let begin = Instant::now();
    alive.read_to_end(&mut Vec::new()).unwrap();
    begin.elapsed()
}

fn timed_out(world: &World) {
    let sandbox = world.open();
    assert!(world.run(&sandbox, "mkfifo alive").succeeded());
    let script =
        "exec 9>alive; (trap '' TERM HUP; (setsid bash -c \"trap '' TERM; while :; do sleep 1; done\") & wait) & wait";
    let exec = Exec { timeout: Duration::from_millis(300), ..world.script(script) };
    let attached = sandbox.start_or_attach(exec).unwrap();
    let mut alive = std::fs::File::open(sandbox.directory().join("workspace/alive")).unwrap();
    let exit = attached.wait().unwrap();
    assert_eq!(exit.status, Status::TimedOut);
    assert!(exit.background_ended >= 1, "{exit:?}");
    assert!(exit.wall >= Duration::from_millis(300) && exit.wall < Duration::from_secs(10), "{exit:?}");
    await_silence(&mut alive);
}

fn killed(world: &World) {
    let sandbox = world.open();
    let (attached, mut alive) =
        world.start_alive(&sandbox, "trap 'echo goodbye > last; exit 0' TERM", "sleep 1000 & wait; wait");
    sandbox.kill(attached.id()).unwrap();
    sandbox.kill(attached.id()).unwrap();
    assert_eq!(attached.wait().unwrap().status, Status::Killed);
    await_silence(&mut alive);
    assert_eq!(world.run(&sandbox, "cat last").stdout, "goodbye\n");
}

fn background(world: &World) {
    let sandbox = world.open();
    let (attached, mut alive) = world.start_alive(
        &sandbox,
        "true",
        "sleep 1000 & setsid sleep 1000 & (sleep 1000 & exec sleep 0) & wait $!; exit 5",
    );
    let exit = attached.wait().unwrap();
    assert_eq!((exit.status, exit.background_ended), (Status::Exited(5), 3));
    await_silence(&mut alive);
}

fn fork_bomb(world: &World) {
    let mut specification = world.specification();
    specification.limits = Limits { processes: 60, ..Limits::default() };
    let sandbox = Sandbox::open(&launcher(), &specification).unwrap();
    let count =
        "perl -e 'my $n = 0; while (1) { my $p = fork; last if !defined $p; if (!$p) { sleep 1000 } $n++ } print $n'";
    let (attached, mut alive) = world.start_alive(&sandbox, "true", count);
    let exit = attached.wait().unwrap();
    assert!((30..60).contains(&exit.background_ended), "{exit:?}");
    await_silence(&mut alive);

    let bomb = Exec { timeout: Duration::from_millis(500), ..world.script("b() { b | b & }; b; sleep 1000") };
    let exit = sandbox.start_or_attach(bomb).unwrap().wait().unwrap();
    assert!(matches!(exit.status, Status::TimedOut | Status::Exited(_)), "{exit:?}");
    assert_eq!(world.run(&sandbox, "echo still here").stdout, "still here\n");
}

fn dropped(world: &World) {
    let sandbox = world.open();
    let (_attached, mut alive) = world.start_alive(&sandbox, "touch kept", "setsid sleep 1000 & sleep 1000");
    drop(sandbox);
    await_silence(&mut alive);
    assert!(world.specification().directory.join("workspace/kept").exists());
}

fn embedder_killed(world: &World) {
    let mode = format!("{:?}", world.mode);
    let mut embedder = Command::new(std::env::current_exe().unwrap())
        .args(["embedder", mode.as_str()])
        .arg(world.specification().directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(embedder.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let mut alive = std::fs::File::open(world.specification().directory.join("workspace/alive")).unwrap();
    embedder.kill().unwrap();
    let took = await_silence(&mut alive);
    embedder.wait().unwrap();
    // Ten times what it takes on an idle machine.
    assert!(took < Duration::from_secs(1), "{took:?}");
    // Whoever comes next waits for the dying supervisor.
    drop(world.open());
}

/// A program that opens a sandbox, starts something endless and waits for its death.
pub(crate) fn embedder(mode: &str, directory: &str) -> ExitCode {
    let mode = if mode == "Reduced" { Mode::Reduced } else { Mode::Isolated };
    let specification = Specification { mode, ..Specification::new(Path::new(directory)) };
    let sandbox = Sandbox::open(&launcher(), &specification).unwrap();
    let exec = |name: &str, script: &str| Exec::new(ExecId::new(name).unwrap(), ["bash", "-c", script]);
    sandbox.start_or_attach(exec("first", "mkfifo alive")).unwrap().wait().unwrap();
    let second = sandbox.start_or_attach(exec("second", "exec 9<>alive; setsid sleep 1000 & sleep 1000")).unwrap();
    println!("ready");
    second.wait().unwrap();
    ExitCode::FAILURE
}
