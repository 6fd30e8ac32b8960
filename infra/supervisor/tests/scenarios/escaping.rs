use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use sandbox::{Network, PROXY};
use sandbox_protocol::{Exec, Progress};
use supervisor::StartError;

use crate::world::{Sandbox, World};
use crate::{BOTH, ISOLATED, REDUCED, Scenario};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("a network is whoever serves its listener, and nothing beside it", ISOLATED, served_network),
    ("the reduced mode refuses a network", REDUCED, refused_network),
    ("the host's sockets are out of reach", REDUCED, host_sockets),
    ("processes and shared memory of the same user are out of reach", REDUCED, same_user),
    ("the first process of an exec and other execs are out of reach", ISOLATED, other_execs),
    ("two sandboxes do not see each other", BOTH, other_sandboxes),
];

/// Every line is an attempt; each must fail.
fn assert_refused(world: &World, sandbox: &Sandbox, attempts: &[String]) {
    for attempt in attempts {
        let ran = world.run(sandbox, attempt);
        assert!(!ran.succeeded(), "succeeded: {attempt}\n{}{}", ran.stdout, ran.stderr);
        // A program that is not there proves nothing.
        assert!(!ran.stderr.contains("command not found"), "{attempt}: {}", ran.stderr);
    }
}

fn served_network(world: &World) {
    let mut order = world.order();
    order.specification.network = Network::Proxy;
    order.specification.environment = vec![("GREETING".to_owned(), "hello".to_owned())];
    let mut sandbox = Sandbox::open(&order);
    let listener = sandbox.take_listener().unwrap();
    assert!(sandbox.take_listener().is_none());
    let own = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = own.local_addr().unwrap().port();
    let proxy = format!("/dev/tcp/{}/{}", PROXY.ip(), PROXY.port());
    assert_refused(
        world,
        &sandbox,
        &[
            format!("exec 3<>/dev/tcp/127.0.0.1/{port}"),
            "exec 3<>/dev/tcp/10.0.0.1/80".to_owned(),
            "exec 3<>/dev/udp/8.8.8.8/53".to_owned(),
            // The port is taken, also for those who would like to hear what others ask for.
            format!(
                "perl -MIO::Socket::INET -e 'exit(IO::Socket::INET->new(Listen => 1, LocalPort => {}) ? 0 : 1)'",
                PROXY.port()
            ),
        ],
    );
    let serving = std::thread::spawn(move || {
        let (mut stream, peer) = listener.accept().unwrap();
        assert!(peer.ip().is_loopback());
        let mut question = [0; 6];
        std::io::Read::read_exact(&mut stream, &mut question).unwrap();
        std::io::Write::write_all(&mut stream, &[b"answer to ", question.as_slice()].concat()).unwrap();
    });
    let ran = world.run(&sandbox, &format!("exec 3<>{proxy}; echo $GREETING >&3; cat <&3"));
    assert_eq!(ran.stdout, "answer to hello\n", "{}", ran.stderr);
    serving.join().unwrap();
    // Nobody serves it any more: refused at once, instead of waiting for ever.
    assert_refused(world, &sandbox, &[format!("exec 3<>{proxy}")]);
}

fn refused_network(world: &World) {
    let mut order = world.order();
    order.specification.network = Network::Proxy;
    let refused = supervisor::start(&crate::world::launcher(), &order).unwrap_err();
    assert!(matches!(&refused, StartError::Invalid(reason) if reason.contains("network")), "{refused}");
}

fn host_sockets(world: &World) {
    let sandbox = world.open();
    // As open as a socket can be, in a place that the commands can even write.
    let path = sandbox.directory().join("workspace/host.socket");
    let _listener = UnixListener::bind(&path).unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
    let connect = "use IO::Socket::UNIX; exit(IO::Socket::UNIX->new(Peer => \"host.socket\") ? 0 : 1)";
    let datagram = "use Socket; socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or exit 1; exit 0";
    let internet = "use Socket; socket(my $s, AF_INET, SOCK_STREAM, 0) or exit 1; exit 0";
    let attempts = [connect, datagram, internet].map(|script| format!("perl -e '{script}'"));
    assert_refused(world, &sandbox, &attempts);
    let pair = "use Socket; socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, 0) or exit 1; exit 0";
    assert!(world.run(&sandbox, &format!("perl -e '{pair}'")).succeeded());
}

/// Without namespaces they are in sight of a user's commands; as root, commands are another user.
fn same_user(world: &World) {
    let sandbox = world.open();
    let own = std::process::id();
    let mut attempts = vec![
        format!("renice -n 5 -p {own}"),
        format!("taskset -pc 0 {own}"),
        format!("chrt --idle -p 0 {own}"),
        format!("ionice -c 3 -p {own}"),
        format!("prlimit --pid {own} --nofile=10"),
    ];
    #[cfg(target_arch = "x86_64")]
    attempts.extend([
        // shmat, msgsnd, semop by number.
        "perl -e 'exit(syscall(30, 0, 0, 0) == -1 && !$!{ENOSYS} ? 0 : 1)'".to_owned(),
        "perl -e 'exit(syscall(69, 0, my $m = \"x\" x 16, 1, 0) == -1 && !$!{ENOSYS} ? 0 : 1)'".to_owned(),
        "perl -e 'exit(syscall(65, 0, my $m = \"x\" x 16, 1) == -1 && !$!{ENOSYS} ? 0 : 1)'".to_owned(),
    ]);
    assert_refused(world, &sandbox, &attempts);
    // Its own are its own.
    assert!(world.run(&sandbox, "nice -n 5 true && prlimit --nofile=100 true").succeeded());
}

fn other_execs(world: &World) {
    let sandbox = world.open();
    let (other, _alive) = world.start_alive(&sandbox, "true", "exec -a neighbour sleep 1000");
    assert_refused(
        world,
        &sandbox,
        &[
            "cat /proc/*/cmdline | grep -a neighbou[r]".to_owned(),
            "cat /proc/1/environ".to_owned(),
            "cat /proc/1/mem".to_owned(),
            "ls /proc/1/fd/".to_owned(),
            "ls /proc/1/root/".to_owned(),
            "tr '\\0' ' ' < /proc/1/cmdline | grep -v supervisor".to_owned(),
        ],
    );
    // Everything it can name, and still the neighbour runs.
    world.run(&sandbox, "kill -9 -1");
    assert_eq!(sandbox.wait_for(&other, std::time::Duration::ZERO).unwrap(), Progress::Running);
    sandbox.kill(&other);
    sandbox.exit(&other);
}

fn other_sandboxes(world: &World) {
    let sandbox = world.open();
    assert!(world.run(&sandbox, "echo secret > mine").succeeded());
    let mut order = world.order();
    order.specification.directory = world.root.path().join("second");
    let second = Sandbox::open(&order);
    let path = sandbox.directory().join("workspace/mine");
    let attempts = [format!("cat {}", path.display()), format!("ls {}", sandbox.directory().display())];
    assert_refused(world, &second, &attempts);
    let workspace = sandbox.directory().join("workspace").display().to_string();
    let exec = Exec { directory: Some(workspace), ..world.script("cat mine") };
    assert!(!second.run(exec, b"").succeeded());
}
