use std::time::Duration;

use sandbox::{Limits, Mode, Mount, Specification};
use sandbox_protocol::{ByteRange, ClientError, Exec, ExitStatus, FailureKind, Progress, Stderr, Stream};
use supervisor::{Order, StartError};

use crate::world::{Sandbox, World, command, launcher};
use crate::{BOTH, ISOLATED, Scenario};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("a command's output, code and place are told", BOTH, output_and_code),
    ("the environment is clean and the caller's wins", BOTH, environment),
    ("both streams are interleaved when merged", BOTH, merged),
    ("five megabytes of input arrive, also when nobody reads them", BOTH, long_input),
    ("a long output keeps its head and its tail", BOTH, long_output),
    ("output can be read while the command runs", BOTH, output_while_running),
    ("many commands at once keep their input and output apart", BOTH, many_at_once),
    ("what is no command is refused or told as a shell would", BOTH, no_command),
    ("mounts and PATH reach the command", BOTH, mounts),
    ("every task finds a working Unix inside", ISOLATED, working_unix),
    ("the examination finds that everything works", ISOLATED, examination),
];

fn output_and_code(world: &World) {
    let sandbox = world.open();
    let ran = world.run(&sandbox, "echo to out; echo to err >&2; pwd; touch here; exit 7");
    let workspace = &sandbox.layout().workspace;
    assert_eq!(ran.stdout, format!("to out\n{workspace}\n"));
    assert_eq!(ran.stderr, "to err\n");
    assert_eq!(ran.exit.status, ExitStatus::Exited(7));
    assert_eq!((ran.exit.background_ended, ran.exit.stdout_bytes), (0, ran.stdout.len() as u64));
    assert!(sandbox.directory().join("workspace/here").exists());
    assert_eq!(world.run(&sandbox, "kill -SEGV $$").exit.status, ExitStatus::Signalled(11));
    assert_eq!(world.run(&sandbox, "kill -s RTMIN $$").exit.status, ExitStatus::Signalled(34));
    let busy = world.run(&sandbox, "for i in {1..200000}; do :; done").exit;
    assert!(busy.cpu > Duration::ZERO && busy.cpu < busy.wall * 3, "{busy:?}");
}

fn environment(world: &World) {
    let sandbox = world.open();
    let mut exec = command("environment", &["env"]);
    exec.environment = vec![("TERM".into(), "other".into()), ("EXTRA".into(), "a=b\nc".into())];
    let ran = sandbox.run(exec, b"");
    let (home, tmp) = (&sandbox.layout().home, &sandbox.layout().temporary);
    let expected = format!(
        "PATH={home}/.local/bin:/usr/local/bin:/usr/bin:/bin\nHOME={home}\nTMPDIR={tmp}\nUSER=agent\nLOGNAME=agent\nSHELL=/bin/bash\n\
         LANG=C.UTF-8\nTERM=other\nEXTRA=a=b\nc\n"
    );
    assert_eq!(ran.stdout, expected);
}

fn merged(world: &World) {
    let sandbox = world.open();
    let exec = Exec { stderr: Stderr::Merged, ..world.script("echo 1; echo 2 >&2; echo 3; echo 4 >&2") };
    let ran = sandbox.run(exec, b"");
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("1\n2\n3\n4\n", ""));
}

fn long_input(world: &World) {
    let sandbox = world.open();
    let input: Vec<u8> = (0..5_000_000_u32).map(|number| (number % 251) as u8).collect();
    let counted = sandbox.run(world.script("cat > copy; wc -c < copy"), &input);
    assert_eq!(counted.stdout.trim(), "5000000");
    assert_eq!(std::fs::read(sandbox.directory().join("workspace/copy")).unwrap(), input);
    assert!(sandbox.run(world.script("exit 0"), &input).succeeded());
}

fn long_output(world: &World) {
    let mut order = world.order();
    order.specification.limits = Limits { tail_bytes: 1_000, ..Limits::default() };
    let sandbox = Sandbox::open(&order);
    let exec = Exec { kept_bytes: 100_000, ..world.script("for i in {100000..199999}; do echo $i; done") };
    let id = exec.id.clone();
    assert_eq!(sandbox.run(exec, b"").exit.stdout_bytes, 700_000);
    let part = |range| sandbox.output(&id, Stream::Stdout, range);
    let head = part(ByteRange::From(0, u64::MAX));
    assert!(head.len() == 100_000 && head.starts_with(b"100000\n"));
    assert_eq!(part(ByteRange::From(7, 7)), b"100001\n");
    assert_eq!(part(ByteRange::From(100_000, 7)), b"");
    let last = part(ByteRange::Last(1_000));
    assert!(last.len() == 1_000 && last.ends_with(b"199998\n199999\n"));
    assert_eq!(part(ByteRange::Last(7)), b"199999\n");
    // Between the kept start and the kept end there is a gap.
    assert_eq!(part(ByteRange::Last(2_000)), [&head[99_000..], &last].concat());
}

fn output_while_running(world: &World) {
    let sandbox = world.open();
    // The command waits for what only a reader of its output can know.
    let exec = world.script("echo secret-word; until test -e secret-word; do :; done");
    let id = exec.id.clone();
    sandbox.start(exec, b"").unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"\n") {
        seen = sandbox.output(&id, Stream::Stdout, ByteRange::From(0, 100));
    }
    assert_eq!(sandbox.output(&id, Stream::Stdout, ByteRange::Last(5)), b"word\n");
    assert_eq!(sandbox.wait_for(&id, Duration::ZERO).unwrap(), Progress::Running);
    assert_eq!(sandbox.wait_for(&id, Duration::from_millis(20)).unwrap(), Progress::Running);
    let name = String::from_utf8(seen).unwrap();
    std::fs::write(sandbox.directory().join("workspace").join(name.trim()), "").unwrap();
    assert_eq!(sandbox.exit(&id).status, ExitStatus::Exited(0));
}

fn many_at_once(world: &World) {
    let sandbox = world.open();
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let connection = sandbox.connect();
            scope.spawn(move || {
                for turn in 0..5 {
                    let text = format!("{worker} {turn}\n").repeat(20_000);
                    assert_eq!(connection.run(world.script("cat"), text.as_bytes()).stdout, text);
                }
            });
        }
    });
}

fn no_command(world: &World) {
    let sandbox = world.open();
    let missing = sandbox.run(command("missing", &["no-such-program"]), b"");
    assert_eq!(missing.exit.status, ExitStatus::Exited(127));
    assert!(missing.stderr.contains("no-such-program"), "{}", missing.stderr);
    let directory = sandbox.run(command("directory", &["/usr"]), b"");
    assert_eq!(directory.exit.status, ExitStatus::Exited(126));
    let nowhere = Exec { directory: Some("/no/where".into()), ..command("nowhere", &["true"]) };
    assert_eq!(sandbox.run(nowhere, b"").exit.status, ExitStatus::Exited(126));

    let refused = |exec: Exec| {
        let started = sandbox.start(exec, b"");
        matches!(started, Err(ClientError::Failed(failure)) if failure.kind == FailureKind::Invalid)
    };
    assert!(refused(command("empty", &[])));
    assert!(refused(command("nul", &["echo", "a\0b"])));
    assert!(refused(Exec { environment: vec![("A=B".into(), String::new())], ..command("name", &["true"]) }));
    for bad in ["", ".", "../x", "a/b", "-x", &"x".repeat(101)] {
        assert!(refused(command(bad, &["true"])), "{bad}");
    }
    // The environment is larger than the kernel takes: the command is not reached and may be tried again.
    let large = vec![("LARGE".to_owned(), "x".repeat(200_000))];
    let exec = Exec { environment: large, ..command("again", &["true"]) };
    assert_eq!(sandbox.run(exec, b"").exit.status, ExitStatus::Exited(126));
}

fn mounts(world: &World) {
    let source = world.root.path().join("source");
    std::fs::create_dir_all(source.join("bin")).unwrap();
    std::fs::write(source.join("bin/greet"), "#!/bin/sh\necho greetings\n").unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(source.join("bin/greet"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let tool = "/opt/backspace/bin/greet";
    let mut order = world.order();
    order.specification.mounts = vec![
        Mount { source: source.clone(), target: "/source".into() },
        Mount { source: source.join("bin/greet"), target: tool.into() },
    ];
    order.specification.path = vec!["/source/bin".into()];
    order.source = Some("/source".into());
    let sandbox = Sandbox::open(&order);
    let inside = sandbox.layout().source.clone().unwrap();
    let tool = match world.mode {
        Mode::Isolated => tool.to_owned(),
        Mode::Reduced => format!("{inside}/bin/greet"),
    };
    let script = format!("greet && {tool}");
    assert_eq!(world.run(&sandbox, &script).stdout, "greetings\ngreetings\n");
    let written = world.run(&sandbox, &format!("echo x > {inside}/new"));
    assert!(!written.succeeded() && !source.join("new").exists());

    for target in ["/usr/lib/x", "/tmp/x", "/", "/home", "relative", "/a/../usr"] {
        let mounts = vec![Mount { source: source.clone(), target: target.into() }];
        let order = Order::new(Specification { mounts, ..world.specification() });
        let refused = supervisor::start(&launcher(), &order);
        assert!(matches!(refused, Err(StartError::Invalid(_))), "{target}");
    }
}

fn working_unix(world: &World) {
    let sandbox = world.open();
    let checks = [
        "test \"$(id -un) $(id -u) $(id -g)\" = 'agent 1000 1000'",
        "test \"$(hostname)\" = sandbox",
        "cat <(echo substitution) > /dev/null",
        "test \"$(stat -c %U /workspace /home/agent /tmp | sort -u)\" = agent",
        "echo > /tmp/a && echo > ~/a && echo > /dev/shm/a && echo > /dev/null",
        "script -qc 'test -t 0' /dev/null < /dev/null",
        "git init -q repository && git -C repository -c user.name=a -c user.email=a@b commit -q --allow-empty -m x",
        "git clone -q repository clone",
        "perl -MIO::Socket::INET -e '$l = IO::Socket::INET->new(Listen => 1, LocalAddr => \"127.0.0.1\") or die; \
         IO::Socket::INET->new(PeerAddr => \"127.0.0.1\", PeerPort => $l->sockport) or die'",
        "test \"$(ls /proc | grep -c '^[0-9]')\" -le 5",
    ];
    for check in checks {
        let ran = world.run(&sandbox, check);
        assert!(ran.succeeded(), "{check}: {:?} {}{}", ran.exit.status, ran.stdout, ran.stderr);
    }
    // What an exec leaves in shared memory goes with it.
    assert!(!world.run(&sandbox, "test -e /dev/shm/a").succeeded());
}

fn examination(_: &World) {
    for finding in supervisor::examine(&launcher()) {
        assert_eq!(finding.works, Some(true), "{finding:?}");
    }
}
