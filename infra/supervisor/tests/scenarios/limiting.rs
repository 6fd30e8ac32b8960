//! What ends a command that uses too much, and what the machine keeps meanwhile.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox::{MemoryAccountant, Totals};
use sandbox_protocol::{Exec, ExitStatus, LimitReached};
use supervisor::Order;

use crate::world::{Ran, Sandbox, World, supervisors};
use crate::{BOTH, ISOLATED, Scenario};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("memory of one process and of many together is limited", BOTH, memory),
    ("memory that no process has mapped is limited", ISOLATED, unmapped_memory),
    ("what forks share counts once", BOTH, shared_memory),
    ("space and files on the disk are limited, and can be tidied up", BOTH, disk),
    ("a file that is too large and a processor that is used too long are named", BOTH, signals),
    ("what the machine's user has in all is left to it", ISOLATED, quotas_of_the_user),
    ("no control group is left behind", BOTH, control_groups),
];

const MEGABYTE: u64 = 1 << 20;

fn order(world: &World, totals: Totals) -> Order {
    let mut order = world.order();
    order.specification.totals = totals;
    order
}

fn memory_of(megabytes: u64) -> Totals {
    Totals { memory_bytes: Some(megabytes * MEGABYTE), sockets: Some(1000), ..Totals::default() }
}

/// Memory that the machine could give, in bytes.
pub(crate) fn available() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Runs a script that must be ended for its memory, and says what the machine lost meanwhile.
fn assert_ended(world: &World, sandbox: &Sandbox, script: &str, limit: LimitReached) -> Ran {
    let before = available();
    let begin = Instant::now();
    let ran = sandbox.run(Exec { timeout: Duration::from_secs(20), ..world.script(script) }, b"");
    let lost = before.saturating_sub(available()) / MEGABYTE;
    println!("{limit:?} after {:?}, {lost} MB less free afterwards: {script:.60}", begin.elapsed());
    assert_eq!(ran.exit.limit, Some(limit), "{script}\n{:?}\n{}{}", ran.exit, ran.stdout, ran.stderr);
    assert_ne!(ran.exit.status, ExitStatus::Exited(0), "{script}");
    ran
}

fn memory(world: &World) {
    let sandbox = Sandbox::open(&order(world, memory_of(300)));
    assert_ended(world, &sandbox, "perl -e '$x = \"a\" x 900_000_000; sleep 5'", LimitReached::Memory);
    // None of them alone.
    let many = "for i in 1 2 3 4 5 6 7 8; do perl -e '$x = \"a\" x 90_000_000; sleep 20' & done; wait -n; exit 1";
    assert_ended(world, &sandbox, many, LimitReached::Memory);
    // Who stays below goes on.
    let modest = world.run(&sandbox, "perl -e '$x = \"a\" x 100_000_000; print length $x'");
    assert_eq!((modest.stdout.as_str(), modest.exit.limit), ("100000000", None));
}

fn unmapped_memory(world: &World) {
    let sandbox = Sandbox::open(&order(world, memory_of(300)));
    #[cfg(target_arch = "x86_64")]
    {
        // memfd_create, then writing: counted by the kernel, or refused.
        let memfd = "perl -e '$f = syscall(319, my $n = \"x\", 0); exit 9 if $f < 0; open(F, \">&=\", $f) or die; \
                     $b = \"a\" x 1_000_000; for (1..900) { syswrite(F, $b) or die } sleep 5'";
        let ran = world.run(&sandbox, memfd);
        match MemoryAccountant::of_this_machine() {
            MemoryAccountant::Supervisor => assert_eq!(ran.exit.status, ExitStatus::Exited(9), "{}", ran.stderr),
            MemoryAccountant::ControlGroup1 | MemoryAccountant::ControlGroup2 => {
                assert_eq!(ran.exit.limit, Some(LimitReached::Memory), "{:?} {}", ran.exit, ran.stderr);
            }
        }
        // shmget of 400 MB: more than the namespace has.
        let shared = world.run(&sandbox, "perl -e 'exit(syscall(29, 0, 400_000_000, 01600) < 0 ? 3 : 0)'");
        assert_eq!(shared.exit.status, ExitStatus::Exited(3));
        let small = world.run(&sandbox, "perl -e 'exit(syscall(29, 0, 60_000, 01600) < 0 ? 3 : 0)'");
        assert!(small.succeeded(), "System V memory within its bounds works");
        // Tables of pages that are touched far apart.
        let tables = "perl -e '$a = syscall(9, 0, 1 << 38, 3, 0x4022, -1, 0); die if $a == -1; \
                      for ($i = 0; $i < 1 << 38; $i += 1 << 21) { syscall(318, $a + $i, 1, 0) } sleep 5'";
        assert_ended(world, &sandbox, tables, LimitReached::Memory);
    }
    // Buffers of sockets that nobody reads from.
    let sockets = "perl -e 'use Socket; use Fcntl; for (1..2000) { my ($x, $y); socketpair($x, $y, AF_UNIX, SOCK_STREAM, 0) or last; \
                   push @s, $x, $y; fcntl($x, F_SETFL, O_NONBLOCK); syswrite($x, \"a\" x 200_000) } sleep 5; exit 1'";
    let expected = match MemoryAccountant::of_this_machine() {
        MemoryAccountant::Supervisor => LimitReached::Sockets,
        MemoryAccountant::ControlGroup1 | MemoryAccountant::ControlGroup2 => LimitReached::Memory,
    };
    assert_ended(world, &sandbox, sockets, expected);
    let files = world.run(&sandbox, "perl -e 'for (1..70_000) { open(F, \">\", \"/dev/shm/$_\") or exit 4; close F }'");
    assert_eq!(files.exit.status, ExitStatus::Exited(4), "{:?}", files.exit);
}

fn shared_memory(world: &World) {
    let sandbox = Sandbox::open(&order(world, memory_of(300)));
    // Ten times 120 MB, which are the same.
    let forks = "perl -e '$x = \"a\" x 120_000_000; for (1..10) { if (!fork) { select(undef, undef, undef, 0.6); exit } } 1 while wait > 0'";
    let ran = world.run(&sandbox, forks);
    assert!(ran.succeeded(), "{:?} {}", ran.exit, ran.stderr);
}

fn disk(world: &World) {
    let totals = Totals { disk_bytes: Some(200 * MEGABYTE), disk_files: Some(20_000), ..Totals::default() };
    let sandbox = Sandbox::open(&order(world, totals));
    let fill = |directory: &str| {
        format!("cd {directory}; for i in $(seq 200); do fallocate -l 20000000 big-$i; done; sleep 5; exit 1")
    };
    let (home, temporary) = (sandbox.layout().home.clone(), sandbox.layout().temporary.clone());
    for directory in [".", &home, &temporary] {
        assert_ended(world, &sandbox, &fill(directory), LimitReached::DiskSpace);
        // It may be tidied up, also while there is still too much.
        let tidied = world.run(&sandbox, &format!("cd {directory}; rm -f big-2*; sleep 0.3; rm -f big-*; echo tidy"));
        assert_eq!(tidied.stdout, "tidy\n", "{:?}", tidied.exit);
    }
    let many = "perl -e 'for (1..60_000) { open(F, \">\", \"small-$_\") or die; close F } sleep 5'; exit 1";
    assert_ended(world, &sandbox, many, LimitReached::DiskFiles);
    assert!(world.run(&sandbox, "find . -name 'small-*' -delete").succeeded());
    // Names of one file are no files.
    let linked =
        "head -c 100000000 /dev/zero > one; for i in $(seq 50); do ln one link-$i; done; sleep 0.5; rm one link-*";
    assert!(world.run(&sandbox, linked).succeeded());
}

fn signals(world: &World) {
    let mut order = world.order();
    order.specification.limits.file_bytes = MEGABYTE;
    order.specification.limits.cpu = Some(Duration::from_secs(1));
    let sandbox = Sandbox::open(&order);
    let large = world.run(&sandbox, "exec perl -e 'open(F, \">\", \"large\"); syswrite(F, \"a\" x 600_000) for 1..9'");
    assert_eq!((large.exit.status, large.exit.limit), (ExitStatus::Signalled(25), Some(LimitReached::FileSize)));
    let busy = world.run(&sandbox, "exec perl -e '1 while 1'");
    assert_eq!((busy.exit.status, busy.exit.limit), (ExitStatus::Signalled(24), Some(LimitReached::ProcessorTime)));
    // Who ignores that is killed a second later.
    let stubborn = world.run(&sandbox, "exec perl -e '$SIG{XCPU} = q(IGNORE); 1 while 1'");
    assert_eq!(stubborn.exit.status, ExitStatus::Signalled(9));
}

fn quotas_of_the_user(world: &World) {
    let sandbox = world.open();
    let ran = world.run(
        &sandbox,
        "perl -e 'use Fcntl; $n = 0; while (syscall(253) >= 0) { $n++ } \
         for $p (0..9999) { if (!sysopen($f[$p], \"/dev/ptmx\", O_RDWR)) { print \"$n $p\"; exit } }'",
    );
    let taken = ran.stdout;
    let numbers: Vec<u64> = taken.split(' ').map(|number| number.parse().unwrap()).collect();
    #[cfg(target_arch = "x86_64")]
    assert!(numbers[0] <= 32, "inotify instances: {taken}");
    assert!(numbers[1] <= 64, "pseudo-terminals: {taken}");
}

fn control_groups(world: &World) {
    // Those of this directory, which is the same for all sandboxes of a scenario.
    let left = |directory: &Path| -> usize {
        let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
        let memory = own.lines().find_map(|line| line.split_once(":memory:").map(|(_, path)| path.to_owned()));
        let metadata = std::fs::metadata(directory).unwrap();
        let name = format!("sandbox-{:x}-{:x}", metadata.dev(), metadata.ino());
        let parent = format!("/sys/fs/cgroup/memory{}", memory.unwrap_or_default());
        usize::from(Path::new(&parent).join(name).exists())
    };
    let order = order(world, memory_of(300));
    let counts = MemoryAccountant::of_this_machine() == MemoryAccountant::ControlGroup1;
    let sandbox = Sandbox::open(&order);
    let directory = sandbox.directory().to_owned();
    assert!(world.run(&sandbox, "true").succeeded());
    assert_eq!(left(&directory) > 0, counts);
    drop(sandbox);
    assert_eq!(left(&directory), 0);
    // Its supervisor is killed: the group stays until the directory goes.
    let sandbox = Sandbox::open(&order);
    kill(Pid::from_raw(supervisors()[0]), Signal::SIGKILL).unwrap();
    let tether = sandbox.hang_up();
    drop(tether);
    while sandbox::is_in_use(&directory).unwrap() {}
    while left(&directory) > 0 {
        // Its last process may still be dying.
        let again = Sandbox::open(&order);
        drop(again);
    }
    sandbox::remove_directory(&directory).unwrap();
}
