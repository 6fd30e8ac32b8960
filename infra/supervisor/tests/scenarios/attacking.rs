//! What commands try on the supervisor itself.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox_protocol::{Exec, ExitStatus, Progress};

use crate::world::{World, children, supervisors};
use crate::{BOTH, ISOLATED, Scenario};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("the supervisor and the worker cannot be seen, signalled or spoken to", BOTH, out_of_reach),
    ("hundreds of busy processes and a fork bomb do not starve the supervisor", BOTH, starving),
    ("commands are the first to go when memory ends", BOTH, memory),
    ("limits do not depend on what the machine's user may have", BOTH, limits),
    ("an exec whose first process is stopped is ended by force", ISOLATED, force),
    ("a process that waits for a command may be killed", ISOLATED, spare),
];

fn out_of_reach(world: &World) {
    let sandbox = world.open();
    let survey = toolbox::Call::Survey(toolbox::Survey {});
    sandbox.ask(&survey, crate::world::LONG).unwrap().unwrap();
    let supervisor = supervisors()[0];
    let mut attempts = vec![
        "cat /proc/*/comm | grep supervisor".to_owned(),
        "ls /proc/[0-9]*/fd/ | grep socket".to_owned(),
        "perl -e 'kill 0, $_ or next and exit 0 for grep { $_ != $$ && $_ != getppid } 2..400000; exit 1'".to_owned(),
    ];
    for pid in [supervisor, std::process::id().cast_signed()] {
        for file in ["fd/0", "fd/1", "fd/3", "mem", "maps", "environ", "cmdline", "status", "root/etc/passwd"] {
            attempts.push(format!("cat /proc/{pid}/{file}"));
        }
        attempts.push(format!("ls /proc/{pid}/fd"));
        attempts.push(format!("kill -STOP {pid}"));
        // pidfd_open, pidfd_send_signal
        let handle = format!("$f = syscall(434, {pid}, 0); exit($f < 0 || syscall(424, $f, 0, 0, 0) < 0 ? 1 : 0)");
        attempts.push(format!("perl -e '{handle}'"));
        attempts.push(format!("perl -e 'exit(syscall(101, 16, {pid}, 0, 0) < 0 ? 1 : 0)'")); // ptrace(ATTACH)
    }
    let socket = sandbox.directory().join("socket");
    let connect =
        |path: &str| format!("perl -e 'use IO::Socket::UNIX; exit(IO::Socket::UNIX->new(Peer => \"{path}\") ? 0 : 1)'");
    attempts.push(connect(socket.to_str().unwrap()));
    attempts.push(format!("ln -s {} link; {}", sandbox.directory().display(), connect("link/socket")));
    attempts.push(format!("cat {}", sandbox.directory().join("lock").display()));
    attempts.push(format!("rm {}", socket.display()));
    attempts.push(format!("echo '\"lifetime\"' > {}", sandbox.directory().join("ended").display()));
    for attempt in &attempts {
        let ran = world.run(&sandbox, attempt);
        assert!(!ran.succeeded(), "succeeded: {attempt}\n{}{}", ran.stdout, ran.stderr);
        assert!(!ran.stderr.contains("command not found"), "{attempt}: {}", ran.stderr);
    }
    // Not even another process of the same user may look into it.
    let memory = std::fs::File::open(format!("/proc/{supervisor}/mem"));
    assert!(memory.is_err() || nix::unistd::Uid::effective().is_root());
    // Everything it can name, and still all of them live.
    world.run(&sandbox, "kill -9 -1");
    // Its own descriptors are its pipes and nothing else.
    let own = world.run(&sandbox, "ls /proc/self/fd 2> /dev/null | wc -l");
    if world.mode == sandbox::Mode::Isolated {
        assert_eq!(own.stdout.trim(), "4", "three and the directory itself");
    }
    sandbox.ask(&survey, crate::world::LONG).unwrap().unwrap();
}

fn starving(world: &World) {
    let sandbox = world.open();
    let survey = toolbox::Call::Survey(toolbox::Survey {});
    sandbox.ask(&survey, crate::world::LONG).unwrap().unwrap();
    // They begin all at once, when the pipe closes; the last one never lets a chance go by to make another one.
    let script = "perl -e '$| = 1; pipe(R, W); for (1..480) { if (!fork) { close W; <R>; 1 while 1 } } \
                  print qq(busy\\n); close W; while (1) { fork }'";
    let exec = world.script(script);
    let id = exec.id.clone();
    sandbox.start(exec, b"").unwrap();
    let range = sandbox_protocol::ByteRange::From(0, 10);
    while sandbox.output(&id, sandbox_protocol::Stream::Stdout, range).is_empty() {}
    let begin = Instant::now();
    sandbox.ask(&survey, crate::world::LONG).unwrap().unwrap();
    for _ in 0..10 {
        assert!(sandbox.list().iter().any(|listed| listed.id == id && listed.progress == Progress::Running));
    }
    assert_eq!(sandbox.wait_for(&id, Duration::from_millis(100)).unwrap(), Progress::Running);
    let answered = begin.elapsed();
    sandbox.kill(&id);
    let exit = sandbox.exit(&id);
    let ended = begin.elapsed();
    assert_eq!(exit.status, ExitStatus::Killed);
    println!("while {id} starves everybody: answered after {answered:?}, ended after {ended:?}");
    assert!(answered < Duration::from_secs(2), "answered after {answered:?}");
    assert!(ended < Duration::from_secs(10), "ended after {ended:?}");
    assert!(world.run(&sandbox, "true").succeeded());
}

fn memory(world: &World) {
    let sandbox = world.open();
    let own = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap();
    assert!(own.trim().parse::<i32>().unwrap() < 1000);
    let (id, _alive) = world.start_alive(&sandbox, "true", "exec -a chosen sleep 1000");
    let scores_of_chosen = || -> Vec<String> {
        let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        let chosen = processes.filter(|path| {
            std::fs::read_to_string(path.join("cmdline")).is_ok_and(|command| command.starts_with("chosen"))
        });
        chosen.filter_map(|path| std::fs::read_to_string(path.join("oom_score_adj")).ok()).collect()
    };
    let scores = loop {
        // The shell may not have become it.
        let scores = scores_of_chosen();
        if !scores.is_empty() {
            break scores;
        }
    };
    assert_eq!(scores, ["1000\n"]);
    let others = std::fs::read_to_string(format!("/proc/{}/oom_score_adj", supervisors()[0])).unwrap();
    assert_eq!(others, own);
    // It cannot take that back.
    assert!(!world.run(&sandbox, "echo 0 > /proc/self/oom_score_adj").succeeded());
    sandbox.kill(&id);
    sandbox.exit(&id);
}

fn limits(world: &World) {
    let sandbox = world.open();
    let ran = world.run(&sandbox, "prlimit --noheadings -o RESOURCE,SOFT,HARD | tr -s ' '");
    for line in ["CORE 1 1", "MSGQUEUE 819200 819200", "NICE 0 0", "RTPRIO 0 0", "SIGPENDING 1024 1024"] {
        assert!(ran.stdout.lines().any(|limit| limit.trim() == line), "{line}\n{}{}", ran.stdout, ran.stderr);
    }
    #[cfg(target_arch = "x86_64")]
    for attempt in ["syscall(206, 10, my $c = \"\\0\" x 8)", "syscall(53, 17, 3, 0, my $p = \"\\0\" x 8)"] {
        // io_setup; a pair of packet sockets: refused before the kernel looks for the family.
        let ran = world.run(&sandbox, &format!("perl -e '$r = {attempt}; exit($r == -1 && $!{{ENOSYS}} ? 0 : 1)'"));
        assert!(ran.succeeded(), "{attempt}");
    }
}

/// Nothing inside can stop a first process; the machine's user can.
fn force(world: &World) {
    let sandbox = world.open();
    let (id, mut alive) = world.start_alive(&sandbox, "true", "trap '' TERM; sleep 1000 & wait; sleep 1000");
    let keeper = children(supervisors()[0])[0];
    let first = loop {
        // That of the command before may still be ending, and that of the next one waits and has no child.
        let firsts: Vec<i32> = children(keeper).into_iter().filter(|first| !children(*first).is_empty()).collect();
        if let [first] = firsts[..] {
            break first;
        }
    };
    kill(Pid::from_raw(first), Signal::SIGSTOP).unwrap();
    let begin = Instant::now();
    sandbox.kill(&id);
    let exit = sandbox.exit(&id);
    assert_eq!(exit.status, ExitStatus::Killed);
    // The grace period and the first process's second.
    assert!(begin.elapsed() < Duration::from_secs(5));
    std::io::Read::read_to_end(&mut alive, &mut Vec::new()).unwrap();
    let late = Exec { timeout: Duration::from_millis(10), ..world.script("true") };
    sandbox.run(late, b"");
}

/// The process that waits for the next command is the machine's to kill, as when memory runs out.
fn spare(world: &World) {
    let sandbox = world.open();
    for round in 0..3 {
        assert_eq!(world.run(&sandbox, &format!("echo {round} $$")).stdout, format!("{round} 2\n"));
        let keeper = children(supervisors()[0])[0];
        let waiting = loop {
            if let [waiting] = children(keeper)[..]
                && children(waiting).is_empty()
            {
                break waiting;
            }
        };
        kill(Pid::from_raw(waiting), Signal::SIGKILL).unwrap();
        while children(keeper).contains(&waiting) {}
    }
    assert!(world.run(&sandbox, "true").succeeded());
}
