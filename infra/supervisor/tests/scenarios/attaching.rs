use std::io::Read;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox_protocol::{ByteRange, ClientError, Exec, ExitStatus, FailureKind, Progress, Started, Stream};
use supervisor::StartError;

use crate::world::{World, launcher, supervisors};
use crate::{BOTH, Scenario};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("an exec is started once, joined while it runs, and told again", BOTH, once),
    ("an exec whose supervisor was killed is cut off and never repeated", BOTH, cut_off),
    ("an exec whose end was not written completely is cut off", BOTH, torn),
    ("a directory has one supervisor at a time", BOTH, one_supervisor),
    ("every exec that was started is listed", BOTH, listed),
];

fn once(world: &World) {
    let sandbox = world.open();
    let exec = world.script("echo run >> runs; until test -e go; do :; done; exit 3");
    assert_eq!(sandbox.start(exec.clone(), b"").unwrap(), Started::New);
    assert_eq!(sandbox.start(exec.clone(), b"").unwrap(), Started::Running);
    let (first, second) = (sandbox.connect(), sandbox.connect());
    let id = &exec.id;
    let exits = std::thread::scope(|scope| {
        let waiters = [first, second].map(|connection| scope.spawn(move || connection.exit(id)));
        std::fs::write(sandbox.directory().join("workspace/go"), "").unwrap();
        waiters.map(|waiter| waiter.join().unwrap())
    });
    assert_eq!(exits[0].status, ExitStatus::Exited(3));
    assert_eq!(exits[0], exits[1]);

    assert_eq!(sandbox.start(exec.clone(), b"").unwrap(), Started::Finished(exits[0].clone()));
    drop(sandbox);
    let sandbox = world.open();
    assert_eq!(sandbox.start(exec.clone(), b"").unwrap(), Started::Finished(exits[0].clone()));
    assert_eq!(sandbox.exit(&exec.id), exits[0]);
    assert_eq!(std::fs::read_to_string(sandbox.directory().join("workspace/runs")).unwrap(), "run\n");
}

fn cut_off(world: &World) {
    let sandbox = world.open();
    let (id, mut alive) = world.start_alive(&sandbox, "echo run >> runs", "setsid sleep 1000 & sleep 1000");
    // A second one: neither may keep the other from noticing that the supervisor is gone.
    let neighbour = world.script("exec 9>alive; echo opened; sleep 1000");
    sandbox.start(neighbour.clone(), b"").unwrap();
    while sandbox.output(&neighbour.id, Stream::Stdout, ByteRange::From(0, 10)).is_empty() {}
    let exec = Exec { id: id.clone(), ..world.script("echo run >> runs") };
    let [supervisor] = supervisors()[..] else { panic!("one supervisor was expected") };
    kill(Pid::from_raw(supervisor), Signal::SIGKILL).unwrap();
    assert!(matches!(sandbox.wait_for(&id, crate::world::LONG), Err(ClientError::Gone(_))));
    // The end of the FIFO: nothing that ran inside is left.
    alive.read_to_end(&mut Vec::new()).unwrap();
    drop(sandbox);

    let sandbox = world.open();
    assert_eq!(sandbox.start(exec, b"").unwrap(), Started::CutOff);
    assert_eq!(sandbox.wait(&id), Progress::CutOff);
    assert_eq!(world.run(&sandbox, "cat runs").stdout, "run\n");
}

fn torn(world: &World) {
    let sandbox = world.open();
    let exec = world.script("echo run >> runs");
    let exit = sandbox.run(exec.clone(), b"").exit;
    let record = sandbox.directory().join("spool").join(&exec.id).join("record");
    drop(sandbox);
    let whole = std::fs::read(&record).unwrap();
    let start = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for kept in [0, start - 1, start, start + 1, whole.len() - 1] {
        std::fs::write(&record, &whole[..kept]).unwrap();
        let sandbox = world.open();
        assert_eq!(sandbox.start(exec.clone(), b"").unwrap(), Started::CutOff, "{kept} bytes are left");
        assert_eq!(sandbox.wait(&exec.id), Progress::CutOff);
    }
    std::fs::write(&record, &whole).unwrap();
    let sandbox = world.open();
    assert_eq!(sandbox.start(exec, b"").unwrap(), Started::Finished(exit));
    assert_eq!(world.run(&sandbox, "cat runs").stdout, "run\n");
}

fn one_supervisor(world: &World) {
    let sandbox = world.open();
    let second = supervisor::start(&launcher(), &world.order());
    assert!(matches!(second, Err(StartError::InUse)));
    assert!(matches!(sandbox::remove_directory(sandbox.directory()), Err(sandbox::Error::InUse { .. })));
    assert!(world.run(&sandbox, "true").succeeded());
}

fn listed(world: &World) {
    let sandbox = world.open();
    assert_eq!(sandbox.list(), []);
    let ended = world.script("exit 4");
    let exit = sandbox.run(ended.clone(), b"").exit;
    let (running, _alive) = world.start_alive(&sandbox, "true", "sleep 1000");
    let known: Vec<_> = sandbox.list().into_iter().map(|listed| (listed.id, listed.progress)).collect();
    assert!(known.contains(&(ended.id, Progress::Finished(exit))), "{known:?}");
    assert!(known.contains(&(running.clone(), Progress::Running)), "{known:?}");
    // With the one that made the FIFO.
    assert_eq!(known.len(), 3);
    let unknown = sandbox.wait_for("never-started", crate::world::LONG);
    assert!(matches!(unknown, Err(ClientError::Failed(failure)) if failure.kind == FailureKind::Unknown));
    drop(sandbox);
    let sandbox = world.open();
    let known = sandbox.list();
    assert!(known.iter().any(|listed| listed.id == running && listed.progress == Progress::CutOff), "{known:?}");
}
