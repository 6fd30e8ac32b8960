//! The table of attacks: each line is one, run for real. It must be refused, or be harmless and gone, and the machine is measured before
//! and after.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::time::Duration;

use sandbox::{Mode, Network, Totals};
use sandbox_protocol::Exec;

use crate::world::{LONG, Sandbox, World, supervisors};
use crate::{BOTH, Scenario};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("every attack of the table is refused", BOTH, refused),
    ("attacks that may succeed are harmless and gone", BOTH, harmless),
];

/// What stands for a value of the run: `{secret}` a file outside, `{directory}` the sandbox's own on the host, `{outputs}` the stored
/// outputs, `{own}` and `{supervisor}` processes outside, `{port}` a listener on the host's loopback, `{abstract}` a socket of the
/// host's without a file.
const FILES: &[&str] = &[
    "cat {secret}",
    "echo x >> {secret}",
    "truncate -s 0 {secret}",
    "ln -sf / root-of-host; cat root-of-host{secret}",
    "ln {secret} hard",
    "ln /etc/passwd hard && echo x >> hard",
    "cat /proc/1/root{secret}",
    "cat /proc/[0-9]*/root{secret}",
    "cat /proc/self/cwd/../../../../../..{secret}",
    "exec 3< /; cat /proc/self/fd/3{secret}",
    "ln -sf ../beside beside; cat beside",
    "cat {directory}/beside",
    "ls {directory}/..",
    "cat {directory}/lock",
    "mv {directory}/workspace {directory}/elsewhere",
    "cat /etc/shadow",
    "cat /root/.bashrc /root/.profile",
    "echo x > /usr/bin/planted",
    "echo x > /etc/planted",
    "echo x > /planted",
    "echo x > /dev/planted",
    "mkdir /run/planted",
    "echo x > {outputs}/planted",
    "echo x >> {outputs}/exec-0/stdout",
    "rm {outputs}/exec-0/record",
    "mv {outputs} {outputs}-moved",
    "ln -sf {outputs}/exec-0/record record && echo x > record",
    "cp /usr/bin/true true && chmod u+s true && test \"$(find true -user root)\"",
    "cp /usr/bin/id id && chmod u+s,g+s id && ./id -u | grep -x 0",
    "mknod device c 1 3",
    "mknod disk b 8 0",
    "mknod /tmp/memory c 1 1",
    "cat /dev/vda /dev/sda /dev/mem /dev/kmem /dev/kmsg /dev/port",
];

const KERNEL: &[&str] = &[
    "echo x > /proc/sys/kernel/core_pattern",
    "echo '|/bin/true' > /proc/sys/kernel/core_pattern",
    "echo x > /proc/sys/kernel/modprobe",
    "echo 3 > /proc/sys/vm/drop_caches",
    "echo 1 > /proc/sys/kernel/randomize_va_space",
    "echo 100000 > /proc/sys/user/max_user_namespaces",
    "echo 128 > /proc/sys/user/max_inotify_instances",
    "echo b > /proc/sysrq-trigger",
    "echo ':x:M::x::/bin/true:' > /proc/sys/fs/binfmt_misc/register",
    "echo '0 0 1' > /proc/self/uid_map",
    "echo allow > /proc/self/setgroups",
    "echo -1000 > /proc/self/oom_score_adj",
    "head -c 1 /proc/kcore",
    "grep -v '^0000000000000000' /proc/kallsyms",
    "cat /proc/1/environ",
    "cat /proc/1/mem",
    "ls /proc/1/fd/",
    "ls /sys/kernel /sys/fs/cgroup",
    "mkdir /sys/fs/cgroup/memory/mine || mkdir /sys/fs/cgroup/mine",
    "dmesg",
    "hostname other; test \"$(hostname)\" = other",
    "date -s 2020-01-01",
    "grep Cap /proc/self/status | grep -v 0000000000000000$",
    "grep -q 'NoNewPrivs:.*0' /proc/self/status",
    "grep -q 'Seccomp:.*0' /proc/self/status",
    "ulimit -n 1000000000",
    "ulimit -u unlimited",
    "ulimit -c unlimited",
];

const PRIVILEGES: &[&str] = &[
    "mount -t tmpfs none /tmp",
    "mount --bind /usr /tmp",
    "mount -o remount,rw /usr",
    "umount /proc",
    "unshare -U true",
    "unshare -r true",
    "unshare -m true",
    "unshare -n true",
    "unshare -p true",
    "/usr/sbin/chroot / true",
    "nsenter -t 1 -m true",
    "nsenter -t 1 -U true",
    "setpriv --reuid 0 true",
    "setpriv --regid 0 true",
    "setpriv --clear-groups --reuid 0 true",
    "su -c true",
    "newgrp root < /dev/null && id -g | grep -x 0",
];

/// By number, for x86-64: name for people, number, arguments.
const CALLS: &[(&str, u32, &str)] = &[
    ("ptrace(TRACEME)", 101, "0, 0, 0, 0"),
    ("process_vm_readv", 310, "1, 0, 0, 0, 0, 0"),
    ("process_vm_writev", 311, "1, 0, 0, 0, 0, 0"),
    ("process_madvise", 440, "0, 0, 0, 0, 0"),
    ("process_mrelease", 448, "0, 0"),
    ("pidfd_getfd", 438, "0, 0, 0"),
    ("kcmp", 312, "1, 1, 0, 0, 0"),
    ("bpf", 321, "0, 0, 0"),
    ("perf_event_open", 298, "0, 0, 0, -1, 0"),
    ("io_uring_setup", 425, "1, 0"),
    ("io_setup", 206, "10, my $c = \"\\0\" x 8"),
    ("userfaultfd", 323, "0"),
    ("memfd_secret", 447, "0"),
    ("fanotify_init", 300, "0, 0"),
    ("unshare(NEWUSER)", 272, "0x10000000"),
    ("clone(NEWUSER)", 56, "0x10000011, 0, 0, 0, 0"),
    ("clone(NEWNET), disguised", 56, "0x140000011, 0, 0, 0, 0"),
    ("clone3", 435, "my $a = \"\\0\" x 88, 88"),
    ("setns", 308, "0, 0"),
    ("pivot_root", 155, "my $a = \".\", my $b = \".\""),
    ("chroot", 161, "my $a = \"/\""),
    ("fsopen", 430, "my $a = \"tmpfs\", 0"),
    ("open_tree(CLONE)", 428, "-100, my $a = \"/\", 1"),
    ("move_mount", 429, "-100, my $a = \"/\", -100, my $b = \"/tmp\", 0"),
    ("mount_setattr", 442, "-100, my $a = \"/\", 0, my $b = \"\\0\" x 32, 32"),
    ("name_to_handle_at", 303, "-100, my $a = \"/\", my $b = \"\\0\" x 200, my $c = \"\\0\" x 8, 0"),
    ("open_by_handle_at", 304, "3, my $b = \"\\0\" x 200, 0"),
    ("add_key", 248, "my $a = \"user\", my $b = \"k\", my $c = \"v\", 1, -3"),
    ("request_key", 249, "my $a = \"user\", my $b = \"k\", 0, -3"),
    ("keyctl", 250, "0, -3, 1"),
    ("init_module", 175, "0, 0, 0"),
    ("kexec_load", 246, "0, 0, 0, 0"),
    ("reboot", 169, "0, 0, 0, 0"),
    ("swapon", 167, "my $a = \"/\", 0"),
    ("acct", 163, "0"),
    ("setxattr", 188, "my $a = \"/usr/bin/true\", my $b = \"security.capability\", my $c = \"\\1\" x 20, 20, 0"),
    ("iopl", 172, "3"),
    ("ioperm", 173, "0, 1, 1"),
    ("modify_ldt", 154, "0, 0, 0"),
    ("personality", 135, "0x0040000"),
    ("quotactl", 179, "0, 0, 0, 0"),
    ("settimeofday", 164, "0, 0"),
    ("syslog", 103, "10, 0, 0"),
    ("vhangup", 153, ""),
    ("move_pages", 279, "0, 0, 0, 0, 0, 0"),
    ("mbind", 237, "0, 0, 0, 0, 0, 0"),
    ("a number of the future", 470, "0"),
    ("getpid by its x32 number", 0x4000_0000 + 39, "0"),
    ("ioctl(TIOCSTI)", 16, "0, 0x5412, my $a = \"x\""),
    ("ioctl(TIOCSTI), disguised", 16, "0, 0x100005412, my $a = \"x\""),
    ("ioctl(TIOCLINUX)", 16, "0, 0x541c, my $a = \"x\""),
    ("socket(PACKET)", 41, "17, 3, 0"),
    ("socketpair(PACKET)", 53, "17, 3, 0, my $p = \"\\0\" x 8"),
    ("socket(INET, RAW)", 41, "2, 3, 1"),
    ("socket(INET6, RAW)", 41, "10, 3, 58"),
    ("socket(NETLINK, AUDIT)", 41, "16, 3, 9"),
    ("socket(NETLINK, GENERIC)", 41, "16, 3, 16"),
    ("socket(NETLINK, KOBJECT_UEVENT)", 41, "16, 3, 15"),
    ("socket(KEY)", 41, "15, 3, 2"),
    ("socket(ALG)", 41, "38, 5, 0"),
    ("socket(VSOCK)", 41, "40, 1, 0"),
    ("socket(BLUETOOTH)", 41, "31, 1, 3"),
    ("socket(CAN)", 41, "29, 3, 1"),
    ("socket(TIPC)", 41, "30, 1, 0"),
    ("socket(RDS)", 41, "21, 5, 0"),
    ("socket(XDP)", 41, "44, 3, 0"),
];

const NEIGHBOURS: &[&str] = &[
    "exec 3<>/dev/tcp/127.0.0.1/{port}",
    "exec 3<>/dev/tcp/localhost/{port}",
    "exec 3<>/dev/tcp/::1/{port}",
    "exec 3<>/dev/tcp/0.0.0.0/{port}",
    "exec 3<>/dev/tcp/10.0.0.1/80",
    "exec 3<>/dev/tcp/169.254.169.254/80",
    "exec 3<>/dev/tcp/8.8.8.8/53",
    "perl -MSocket -e 'socket(S, AF_INET, SOCK_DGRAM, 0) && send(S, \"x\", 0, sockaddr_in(53, inet_aton(\"8.8.8.8\"))) or exit 1'",
    "perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0) && connect(S, pack(\"S a*\", AF_UNIX, \"\\0{abstract}\")) or exit 1'",
    "perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0) && connect(S, sockaddr_un(\"{directory}/socket\")) or exit 1'",
    "perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0) && connect(S, sockaddr_un(\"/run/docker.sock\")) or exit 1'",
];

const PROCESSES: &[&str] = &[
    "cat /proc/{own}/cmdline",
    "cat /proc/{own}/environ",
    "cat /proc/{own}/maps",
    "cat /proc/{supervisor}/cmdline",
    "cat /proc/{supervisor}/mem",
    "ls /proc/{own}/root/",
    "ls /proc/{own}/fd/",
    "kill -0 {own}",
    "kill -0 {supervisor}",
    "kill -9 {supervisor}",
    "kill -STOP {supervisor}",
    "kill -9 $PPID; kill -0 $PPID && ! kill -0 $PPID",
    "prlimit --pid {own} --nofile=10",
    "renice -n 5 -p {own}",
    "perl -e '$f = syscall(434, {own}, 0); exit($f < 0 || syscall(424, $f, 0, 0, 0) < 0 ? 1 : 0)'",
    "perl -e 'exit(syscall(101, 16, {own}, 0, 0) < 0 ? 1 : 0)'",
];

/// What may succeed. Nothing of it is left, and nothing outside has changed.
const HARMLESS: &[&str] = &[
    ":(){ :|:& };: ; sleep 1",
    "perl -e 'fork while 1'",
    "setsid sleep 1000 & disown; true",
    "(setsid sh -c 'nohup sleep 1000 > /dev/null 2>&1 &')",
    "perl -e 'exit if fork; setpgrp; exit if fork; $SIG{TERM} = $SIG{HUP} = q(IGNORE); sleep 1000'",
    "kill -9 -1",
    "kill -STOP -1; true",
    "trap '' TERM INT HUP; sleep 1",
    "yes | head -c 300000000",
    "perl -e 'print STDERR \"\\e]0;owned\\a\\e[2J\" x 1000'",
    "perl -e 'for (1..3000) { mkdir \"deep\"; chdir \"deep\" }'",
    "perl -e 'for (1..400) { mkdir \"d\" x 200; chdir \"d\" x 200 }'; chmod 000 d* 2> /dev/null; true",
    "mkdir closed && touch closed/x && chmod 000 closed",
    "perl -e 'for (1..20000) { open(F, \">\", \"many-$_\"); close F }'",
    "perl -e 'while (open(my $f, \"<\", \"/dev/null\")) { push @f, $f }'",
    "perl -e '$x = \"a\" x 200_000_000; sleep 1' & perl -e '$x = \"a\" x 200_000_000; sleep 1' & wait",
    "perl -e 'syscall(29, $_, 1 << 20, 01666) for 1..5000'",
    "perl -e 'for (1..5000) { syscall(68, $_, 01666) } for (1..5000) { syscall(64, $_, 100, 01666) }'",
    "perl -e 'syscall(222, 1, 0, my $t = \"\\0\" x 8) for 1..200000'",
    "perl -e '1 while syscall(253) >= 0; sleep 1'",
    "truncate -s 900G sparse; fallocate -l 900M solid; true",
    "mkfifo fifo; ln -s fifo link; ln -s /dev/zero zero; ln -s loop loop",
    "git init -q; git config core.fsmonitor 'touch {directory}/owned'; git config core.hooksPath /workspace; printf '#!/bin/sh\\ntouch {directory}/owned\\n' > post-index-change; chmod +x post-index-change; git status > /dev/null; true",
    "mkdir -p ~/.local/bin; printf '#!/bin/sh\\ntouch {directory}/owned\\n' | tee ~/.local/bin/git ~/.local/bin/sh ~/.local/bin/python3; chmod +x ~/.local/bin/*",
    "printf '*.c filter=evil\\n' > .gitattributes; git config filter.evil.clean 'touch {directory}/owned'; touch x.c; true",
    "rm -rf .git; mkdir .git; printf 'gitdir: /etc\\n' > .git/gitdir; ln -sf /etc .git/objects",
    "for i in $(seq 200); do ln -sfn / swap; ln -sfn . swap; done",
    "sync & sync & sync & wait",
];

/// What the machine has and is.
#[derive(Debug, PartialEq, Eq)]
struct Machine {
    mounts: String,
    core_pattern: String,
    host_name: String,
    aio: String,
    message_queues: usize,
    shared_segments: usize,
}

impl Machine {
    fn look() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        Self {
            mounts: read("/proc/self/mountinfo"),
            core_pattern: read("/proc/sys/kernel/core_pattern"),
            host_name: read("/proc/sys/kernel/hostname"),
            aio: read("/proc/sys/fs/aio-nr"),
            message_queues: read("/proc/sysvipc/msg").lines().count(),
            shared_segments: read("/proc/sysvipc/shm").lines().count(),
        }
    }
}

/// The networks that a mode has.
fn networks(world: &World) -> &'static [Network] {
    match world.mode {
        Mode::Isolated => &[Network::None, Network::Proxy],
        Mode::Reduced => &[Network::None],
    }
}

fn open(world: &World, network: Network) -> Sandbox {
    let mut order = world.order();
    order.specification.network = network;
    order.specification.totals = Totals {
        memory_bytes: Some(300 << 20),
        sockets: Some(2000),
        disk_bytes: Some(1 << 30),
        disk_files: Some(100_000),
    };
    // Its listener is taken and not served: nothing can be reached but through it.
    Sandbox::open(&order)
}

fn refused(world: &World) {
    let before = Machine::look();
    let secret = world.root.path().join("secret");
    std::fs::write(&secret, "secret\n").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = format!("table-{}", std::process::id());
    let _unix = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let mut count = 0;
    for network in networks(world) {
        let sandbox = open(world, *network);
        std::fs::write(sandbox.directory().join("beside"), "secret\n").unwrap();
        assert_eq!(world.run(&sandbox, "echo output").stdout, "output\n");
        let first = world.last_exec();
        let values = [
            ("{secret}", secret.display().to_string()),
            ("{directory}", sandbox.directory().display().to_string()),
            ("{outputs}/exec-0", format!("{}/{first}", sandbox.layout().outputs)),
            ("{outputs}", sandbox.layout().outputs.clone()),
            ("{own}", std::process::id().to_string()),
            ("{supervisor}", supervisors()[0].to_string()),
            ("{port}", listener.local_addr().unwrap().port().to_string()),
            ("{abstract}", name.clone()),
        ];
        let mut attacks: Vec<String> = Vec::new();
        for kind in [FILES, KERNEL, PRIVILEGES, NEIGHBOURS, PROCESSES] {
            attacks.extend(kind.iter().map(|line| filled(line, &values)));
        }
        if cfg!(target_arch = "x86_64") {
            let call = |(_, number, rest): &(&str, u32, &str)| {
                let separator = if rest.is_empty() { "" } else { ", " };
                format!("perl -e 'exit(syscall({number}{separator}{rest}) < 0 ? 1 : 0)'")
            };
            attacks.extend(CALLS.iter().map(call));
        }
        for attack in &attacks {
            let ran = world.run(&sandbox, attack);
            assert!(!ran.succeeded(), "succeeded ({network:?}): {attack}\n{}{}", ran.stdout, ran.stderr);
            // A program that is not there proves nothing.
            assert!(!ran.stderr.contains("command not found"), "{attack}: {}", ran.stderr);
        }
        let unique: BTreeSet<&String> = attacks.iter().collect();
        assert_eq!(unique.len(), attacks.len());
        count += attacks.len();
        // The first process of an exec survives what its command does to it: it tells the end.
        assert!(world.run(&sandbox, "kill -9 $PPID; kill -STOP $PPID; true").succeeded());
        sandbox.terminate();
    }
    assert_eq!(std::fs::read_to_string(secret).unwrap(), "secret\n");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err());
    assert_eq!(Machine::look(), before);
    println!("{count} attacks refused");
}

fn harmless(world: &World) {
    let before = Machine::look();
    let available = crate::limiting::available();
    let survey = toolbox::Call::Survey(toolbox::Survey {});
    for (attack, network) in
        HARMLESS.iter().flat_map(|attack| networks(world).iter().map(move |network| (attack, network)))
    {
        let sandbox = open(world, *network);
        let directory = sandbox.directory().to_owned();
        let attack = filled(attack, &[("{directory}", directory.display().to_string())]);
        let ran = sandbox.run(Exec { timeout: Duration::from_millis(700), ..world.script(&attack) }, b"");
        // A process in `sync` ends when the machine has written what it had to.
        let patience = Duration::from_secs(if attack.contains("sync") { 60 } else { 10 });
        assert!(ran.exit.wall < patience, "{attack}: {:?}", ran.exit);
        // The next one works as if nothing had been, but for what is in the workspace.
        let next = sandbox.run(Exec { timeout: Duration::from_secs(20), ..world.script("echo still here") }, b"");
        assert_eq!(next.stdout, "still here\n", "after {attack}: {:?} {}", next.exit, next.stderr);
        // That may be refused, but is answered.
        let _ = sandbox.ask(&survey, LONG).unwrap();
        assert!(!directory.join("owned").exists(), "{attack} ran outside");
        sandbox.terminate();
        assert!(!directory.exists());
    }
    assert_eq!(Machine::look(), before);
    let lost = available.saturating_sub(crate::limiting::available()) >> 20;
    println!("{} attacks were harmless; {lost} MB less free afterwards", HARMLESS.len() * networks(world).len());
}

fn filled(line: &str, values: &[(&str, String)]) -> String {
    values.iter().fold(line.to_owned(), |line, (name, value)| line.replace(name, value))
}
