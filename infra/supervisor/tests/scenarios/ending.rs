use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox::{Limits, Mode, Specification};
use sandbox_protocol::{Exec, ExitStatus, Progress};
use supervisor::{Ending, Order};

use crate::world::{Connection, Sandbox, World, command, launcher, supervisors};
use crate::{BOTH, Scenario};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("a time-out ends a grandchild that ignores SIGTERM", BOTH, timed_out),
    ("a killed command may say goodbye", BOTH, killed),
    ("processes in the background end with the command and are counted", BOTH, background),
    ("a fork bomb stops at the limit and goes with its exec", BOTH, fork_bomb),
    ("dropping the tether ends everything and keeps the directory", BOTH, dropped),
    ("killing whoever started the supervisor ends everything", BOTH, embedder_killed),
    ("a supervisor that is killed while it ends everything leaves nothing", BOTH, killed_while_ending),
    ("a supervisor that is to be kept survives whoever started it, and can be ended by anybody", BOTH, kept),
    ("a sandbox ends with its lifetime, and says so", BOTH, lifetime),
    ("a sandbox that is idle ends, and says so", BOTH, idle),
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
    let id = exec.id.clone();
    sandbox.start(exec, b"").unwrap();
    let mut alive = std::fs::File::open(sandbox.directory().join("workspace/alive")).unwrap();
    let exit = sandbox.exit(&id);
    assert_eq!(exit.status, ExitStatus::TimedOut);
    assert!(exit.background_ended >= 1, "{exit:?}");
    assert!(exit.wall >= Duration::from_millis(300) && exit.wall < Duration::from_secs(10), "{exit:?}");
    await_silence(&mut alive);
}

fn killed(world: &World) {
    let sandbox = world.open();
    let (id, mut alive) =
        world.start_alive(&sandbox, "trap 'echo goodbye > last; exit 0' TERM", "sleep 1000 & wait; wait");
    sandbox.kill(&id);
    sandbox.kill(&id);
    assert_eq!(sandbox.exit(&id).status, ExitStatus::Killed);
    await_silence(&mut alive);
    assert_eq!(world.run(&sandbox, "cat last").stdout, "goodbye\n");
}

fn background(world: &World) {
    let sandbox = world.open();
    let (id, mut alive) = world.start_alive(
        &sandbox,
        "true",
        "sleep 1000 & setsid sleep 1000 & (sleep 1000 & exec sleep 0) & wait $!; exit 5",
    );
    let exit = sandbox.exit(&id);
    assert_eq!((exit.status, exit.background_ended), (ExitStatus::Exited(5), 3));
    await_silence(&mut alive);
}

fn fork_bomb(world: &World) {
    let mut order = world.order();
    order.specification.limits = Limits { processes: 60, ..Limits::default() };
    let sandbox = Sandbox::open(&order);
    let count =
        "perl -e 'my $n = 0; while (1) { my $p = fork; last if !defined $p; if (!$p) { sleep 1000 } $n++ } print $n'";
    let (id, mut alive) = world.start_alive(&sandbox, "true", count);
    let exit = sandbox.exit(&id);
    // In the reduced mode all tasks of the user count, those of the command before too, which may still be ending.
    assert!((30..=64).contains(&exit.background_ended), "{exit:?}");
    await_silence(&mut alive);

    let bomb = Exec { timeout: Duration::from_millis(500), ..world.script("b() { b | b & }; b; sleep 1000") };
    let exit = sandbox.run(bomb, b"").exit;
    assert!(matches!(exit.status, ExitStatus::TimedOut | ExitStatus::Exited(_)), "{exit:?}");
    assert_eq!(world.run(&sandbox, "echo still here").stdout, "still here\n");
}

fn dropped(world: &World) {
    let sandbox = world.open();
    let (_, mut alive) = world.start_alive(&sandbox, "touch kept", "setsid sleep 1000 & sleep 1000");
    drop(sandbox);
    await_silence(&mut alive);
    assert!(world.specification().directory.join("workspace/kept").exists());
}

fn embedder_killed(world: &World) {
    let mut embedder = Embedder::start(world, "tethered");
    let mut alive = std::fs::File::open(world.specification().directory.join("workspace/alive")).unwrap();
    embedder.0.kill().unwrap();
    let took = await_silence(&mut alive);
    // Ten times what it takes on an idle machine.
    assert!(took < Duration::from_secs(1), "{took:?}");
    embedder.0.wait().unwrap();
    // Whoever comes next waits for the dying supervisor.
    drop(world.open());
}

fn killed_while_ending(world: &World) {
    for round in 0..20 {
        let sandbox = world.open();
        let (_, mut alive) = world.start_alive(&sandbox, "true", "setsid sleep 1000 & sleep 1000 & sleep 1000");
        let directory = sandbox.directory().to_path_buf();
        let supervisor = Pid::from_raw(supervisors()[0]);
        std::thread::scope(|scope| {
            scope.spawn(|| drop(sandbox));
            let moment = Instant::now() + Duration::from_micros(round * 150);
            while Instant::now() < moment {}
            // It may be gone already.
            let _ = kill(supervisor, Signal::SIGKILL);
        });
        await_silence(&mut alive);
        while sandbox::is_in_use(&directory).unwrap() {}
    }
}

fn kept(world: &World) {
    let directory = world.specification().directory;
    let mut embedder = Embedder::start(world, "kept");
    embedder.0.kill().unwrap();
    embedder.0.wait().unwrap();
    let connection = Connection::new(&directory);
    assert_eq!(connection.wait_for("second", Duration::ZERO).unwrap(), Progress::Running);
    let mut alive = std::fs::File::open(directory.join("workspace/alive")).unwrap();
    supervisor::end(&directory).unwrap();
    assert!(supervisor::connect(&directory).is_err());
    await_silence(&mut alive);
    // Nobody is there, which is fine.
    supervisor::end(&directory).unwrap();
    assert_eq!(supervisor::ended(&directory), None);
    sandbox::remove_directory(&directory).unwrap();
}

fn lifetime(world: &World) {
    let order = Order { lifetime: Some(Duration::from_secs(4)), ..world.order() };
    let sandbox = Sandbox::open(&order);
    let (id, mut alive) = world.start_alive(&sandbox, "true", "setsid sleep 1000 & sleep 1000");
    assert_eq!(supervisor::ended(sandbox.directory()), None);
    assert!(sandbox.wait_for(&id, crate::world::LONG).is_err());
    await_silence(&mut alive);
    while sandbox::is_in_use(sandbox.directory()).unwrap() {}
    assert_eq!(supervisor::ended(sandbox.directory()), Some(Ending::Lifetime));
    // It is not opened again.
    assert!(supervisor::start(&launcher(), &order).is_err());
    assert!(supervisor::connect(sandbox.directory()).is_err());
}

fn idle(world: &World) {
    let order = Order { idle: Some(Duration::from_millis(100)), ..world.order() };
    let sandbox = Sandbox::open(&order);
    let directory = sandbox.directory().to_path_buf();
    // As long as there is a client, or something runs, it is not idle.
    assert!(world.run(&sandbox, "sleep 0.3").succeeded());
    let exec = world.script("sleep 0.3; echo > done");
    sandbox.start(exec, b"").unwrap();
    let tether = sandbox.hang_up();
    while sandbox::is_in_use(&directory).unwrap() {}
    assert_eq!(supervisor::ended(&directory), Some(Ending::Idle));
    assert!(directory.join("workspace/done").exists());
    drop(tether);
}

/// A process that opens a sandbox, starts something endless and waits for its death.
struct Embedder(Child);

impl Embedder {
    fn start(world: &World, how: &str) -> Self {
        let mode = format!("{:?}", world.mode);
        let mut embedder = Command::new(std::env::current_exe().unwrap())
            .args(["embedder", mode.as_str(), how])
            .arg(world.specification().directory)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(embedder.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self(embedder)
    }
}

pub(crate) fn embedder(mode: &str, how: &str, directory: &str) -> ExitCode {
    let mode = if mode == "Reduced" { Mode::Reduced } else { Mode::Isolated };
    let order = Order::new(Specification { mode, ..Specification::new(Path::new(directory)) });
    let sandbox = Sandbox::open(&Order { keep: how == "kept", ..order });
    let script = |name: &str, script: &str| command(name, &["bash", "-c", script]);
    sandbox.run(script("first", "mkfifo alive"), b"");
    sandbox.start(script("second", "exec 9<>alive; echo opened; setsid sleep 1000 & sleep 1000"), b"").unwrap();
    println!("ready");
    sandbox.wait("second");
    ExitCode::FAILURE
}
