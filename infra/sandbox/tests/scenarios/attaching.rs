use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox::{Error, Exec, Found, Sandbox, Status, Stream};

use crate::world::{World, launcher, supervisors};
use crate::{BOTH, Scenario};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("an exec is started once, joined while it runs, and told again", BOTH, once),
    ("an exec whose supervisor was killed is cut off and never repeated", BOTH, cut_off),
    ("a directory has one supervisor at a time", BOTH, one_supervisor),
];

fn once(world: &World) {
    let sandbox = world.open();
    let exec = world.script("echo run >> runs; until test -e go; do :; done; exit 3");
    let first = sandbox.start_or_attach(exec.clone()).unwrap();
    let second = sandbox.start_or_attach(exec.clone()).unwrap();
    assert_eq!((first.found(), second.found()), (Found::NotStarted, Found::Running));
    let waiters: Vec<_> =
        [first, second].into_iter().map(|attached| std::thread::spawn(move || attached.wait().unwrap())).collect();
    std::fs::write(sandbox.directory().join("workspace/go"), "").unwrap();
    let exits: Vec<_> = waiters.into_iter().map(|waiter| waiter.join().unwrap()).collect();
    assert_eq!(exits[0].status, Status::Exited(3));
    assert_eq!(exits[0], exits[1]);

    let again = sandbox.start_or_attach(exec.clone()).unwrap();
    assert_eq!((again.found(), again.wait().unwrap()), (Found::Finished, exits[0].clone()));
    drop(sandbox);
    let sandbox = world.open();
    let reopened = sandbox.start_or_attach(exec).unwrap();
    assert_eq!((reopened.found(), reopened.wait().unwrap()), (Found::Finished, exits[0].clone()));
    assert_eq!(std::fs::read_to_string(sandbox.directory().join("workspace/runs")).unwrap(), "run\n");
}

fn cut_off(world: &World) {
    let sandbox = world.open();
    let (attached, mut alive) = world.start_alive(&sandbox, "echo run >> runs", "setsid sleep 1000 & sleep 1000");
    // A second one: neither may keep the other from noticing that the supervisor is gone.
    let neighbour = world.script("exec 9>alive; echo opened; sleep 1000");
    let neighbour = sandbox.start_or_attach(neighbour).unwrap();
    while sandbox.read(neighbour.id(), Stream::Stdout, 0, 10).unwrap().is_empty() {}
    let exec = Exec { id: attached.id().clone(), ..world.script("echo run >> runs") };
    let [supervisor] = supervisors()[..] else { panic!("one supervisor was expected") };
    kill(Pid::from_raw(supervisor), Signal::SIGKILL).unwrap();
    assert!(matches!(attached.wait(), Err(Error::CutOff { .. })));
    assert!(matches!(neighbour.wait(), Err(Error::CutOff { .. })));
    // The end of the FIFO: nothing that ran inside is left.
    std::io::Read::read_to_end(&mut alive, &mut Vec::new()).unwrap();
    assert!(matches!(sandbox.start_or_attach(exec.clone()), Err(Error::Gone)));
    drop(sandbox);

    let sandbox = world.open();
    let again = sandbox.start_or_attach(exec).unwrap();
    assert_eq!(again.found(), Found::CutOff);
    assert!(matches!(again.wait(), Err(Error::CutOff { .. })));
    assert_eq!(world.run(&sandbox, "cat runs").stdout, "run\n");
}

fn one_supervisor(world: &World) {
    let sandbox = world.open();
    let second = Sandbox::open(&launcher(), &world.specification());
    assert!(matches!(second, Err(Error::InUse { .. })));
    assert!(matches!(sandbox::remove_directory(sandbox.directory()), Err(Error::InUse { .. })));
    assert!(world.run(&sandbox, "true").succeeded());
}
