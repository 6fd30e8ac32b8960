use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use sandbox::{Network, PROXY};
use sandbox_protocol::{Exec, Progress};
use supervisor::StartError;

use crate::world::{Sandbox, World};
use crate::{BOTH, ISOLATED, REDUCED, Scenario};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("files outside cannot be read or written", BOTH, files_outside),
    ("privileged and dangerous calls are refused", BOTH, calls),
    ("the host's network is out of reach", BOTH, network),
    ("a network is whoever serves its listener, and nothing beside it", ISOLATED, served_network),
    ("the reduced mode refuses a network", REDUCED, refused_network),
    ("the host's sockets are out of reach", REDUCED, host_sockets),
    ("processes outside cannot be seen, signalled or traced", BOTH, processes_outside),
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

fn files_outside(world: &World) {
    let sandbox = world.open();
    let secret = world.root.path().join("secret");
    std::fs::write(&secret, "secret\n").unwrap();
    std::fs::write(sandbox.directory().join("beside"), "secret\n").unwrap();
    let first = world.run(&sandbox, "echo output; ln -s / root-of-host; ln -s ../beside beside");
    assert_eq!(first.stdout, "output\n");
    let outputs = &sandbox.layout().outputs;
    // Each exec may look at what others have said.
    assert_eq!(world.run(&sandbox, &format!("cat {outputs}/exec-0/stdout")).stdout, "output\n");
    let (secret_path, directory) = (secret.display(), sandbox.directory().display());
    assert_refused(
        world,
        &sandbox,
        &[
            format!("cat {secret_path}"),
            format!("echo x >> {secret_path}"),
            format!("truncate -s 0 {secret_path}"),
            format!("cat root-of-host{secret_path}"),
            "cat beside".to_owned(),
            format!("cat {directory}/beside"),
            format!("mv {directory}/workspace {directory}/elsewhere"),
            "cat /etc/shadow".to_owned(),
            "echo x > /usr/bin/planted".to_owned(),
            "echo x > /etc/planted".to_owned(),
            "echo x > /planted".to_owned(),
            "echo x > /dev/planted".to_owned(),
            format!("echo x > {outputs}/planted"),
            format!("echo x >> {outputs}/exec-0/stdout"),
            format!("rm {outputs}/exec-0/record"),
            format!("mv {outputs} {outputs}-moved"),
            "cp /usr/bin/true true && chmod u+s true && test \"$(find true -user root)\"".to_owned(),
            "mknod device c 1 3".to_owned(),
        ],
    );
    assert_eq!(std::fs::read_to_string(secret).unwrap(), "secret\n");
}

fn calls(world: &World) {
    let sandbox = world.open();
    let mut attempts: Vec<String> = [
        "mount -t tmpfs none /tmp",
        "mount --bind /usr /tmp",
        "umount /proc",
        "unshare -U true",
        "unshare -r true",
        "unshare -m true",
        "/usr/sbin/chroot / true",
        "nsenter -t 1 -m true",
        "hostname other; test \"$(hostname)\" = other",
        "setpriv --reuid 0 true",
        "su -c true",
        "ulimit -n 1000000000",
        "date -s 2020-01-01",
        "dmesg",
        "echo x > /proc/sys/kernel/core_pattern",
        "echo b > /proc/sysrq-trigger",
        "cat /dev/vda /dev/sda /dev/mem /dev/kmsg",
        // The capabilities, in all five sets, and the two locks.
        "grep Cap /proc/self/status | grep -v 0000000000000000$",
        "grep -q 'NoNewPrivs:.*0' /proc/self/status",
        "grep -q 'Seccomp:.*0' /proc/self/status",
    ]
    .map(str::to_owned)
    .into();
    #[cfg(target_arch = "x86_64")]
    {
        let call = |number: i32, rest: &str| format!("perl -e 'exit(syscall({number}, {rest}) < 0 ? 1 : 0)'");
        attempts.extend([
            call(101, "0, 0, 0, 0"),            // ptrace(TRACEME)
            call(310, "1, 0, 0, 0, 0, 0"),      // process_vm_readv
            call(321, "0, 0, 0"),               // bpf
            call(425, "1, 0"),                  // io_uring_setup
            call(272, "0x10000000"),            // unshare(NEWUSER)
            call(56, "0x10000011, 0, 0, 0, 0"), // clone(NEWUSER)
            call(248, "0, 0, 0, 0, 0"),         // add_key
            call(323, "0"),                     // userfaultfd
            call(470, "0"),                     // a number of the future
            call(0x4000_0000 + 39, "0"),        // getpid by its x32 number
            call(16, "0, 0x5412, \"x\""),       // ioctl(TIOCSTI)
            call(16, "0, 0x100005412, \"x\""),  // the same, disguised
            call(41, "17, 3, 0"),               // socket(PACKET)
            call(41, "16, 3, 9"),               // socket(NETLINK, AUDIT)
        ]);
    }
    assert_refused(world, &sandbox, &attempts);
}

fn network(world: &World) {
    let sandbox = world.open();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    assert_refused(
        world,
        &sandbox,
        &[
            format!("exec 3<>/dev/tcp/127.0.0.1/{port}"),
            format!("exec 3<>/dev/tcp/localhost/{port}"),
            "exec 3<>/dev/tcp/10.0.0.1/80".to_owned(),
            "exec 3<>/dev/udp/8.8.8.8/53".to_owned(),
        ],
    );
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err());
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

fn processes_outside(world: &World) {
    let sandbox = world.open();
    let own = std::process::id();
    let supervisor = crate::world::supervisors()[0];
    assert_refused(
        world,
        &sandbox,
        &[
            format!("cat /proc/{own}/cmdline"),
            format!("cat /proc/{own}/environ"),
            format!("cat /proc/{supervisor}/cmdline"),
            format!("ls /proc/{own}/root/"),
            format!("kill -0 {own}"),
            format!("kill -0 {supervisor}"),
            format!("kill -9 {supervisor}"),
            "kill -9 $PPID; kill -0 $PPID && ! kill -0 $PPID".to_owned(),
        ],
    );
    // The first process of the exec has survived: it tells the end.
    assert!(world.run(&sandbox, "kill -9 $PPID; kill -STOP $PPID; true").succeeded());
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
