use std::path::PathBuf;
use std::time::Duration;

use sandbox::{Error, Exec, ExecId, Limits, Mount, Output, Sandbox, Specification, Status, Stream};

use crate::world::{World, launcher};
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
    let workspace = sandbox.layout().workspace.display();
    assert_eq!(ran.stdout, format!("to out\n{workspace}\n"));
    assert_eq!(ran.stderr, "to err\n");
    assert_eq!(ran.exit.status, Status::Exited(7));
    assert_eq!((ran.exit.background_ended, ran.exit.stdout.dropped), (0, 0));
    assert!(sandbox.directory().join("workspace/here").exists());
    assert_eq!(world.run(&sandbox, "kill -SEGV $$").exit.status, Status::Signalled(11));
    assert_eq!(world.run(&sandbox, "kill -s RTMIN $$").exit.status, Status::Signalled(34));
    let busy = world.run(&sandbox, "for i in {1..200000}; do :; done").exit;
    assert!(busy.cpu > Duration::ZERO && busy.cpu < busy.wall * 3, "{busy:?}");
}

fn environment(world: &World) {
    let sandbox = world.open();
    let mut exec = Exec::new(ExecId::new("environment").unwrap(), ["env"]);
    exec.environment = vec![("TERM".into(), "other".into()), ("EXTRA".into(), "a=b\nc".into())];
    let ran = world.run_exec(&sandbox, exec);
    let (home, tmp) = (sandbox.layout().home.display(), sandbox.layout().tmp.display());
    let expected = format!(
        "PATH=/usr/local/bin:/usr/bin:/bin\nHOME={home}\nTMPDIR={tmp}\nUSER=agent\nLOGNAME=agent\nSHELL=/bin/bash\n\
         LANG=C.UTF-8\nTERM=other\nEXTRA=a=b\nc\n"
    );
    assert_eq!(ran.stdout, expected);
}

fn merged(world: &World) {
    let sandbox = world.open();
    let exec = Exec { output: Output::Merged, ..world.script("echo 1; echo 2 >&2; echo 3; echo 4 >&2") };
    let ran = world.run_exec(&sandbox, exec);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("1\n2\n3\n4\n", ""));
}

fn long_input(world: &World) {
    let sandbox = world.open();
    let input: Vec<u8> = (0..5_000_000_u32).map(|number| (number % 251) as u8).collect();
    let exec = Exec { stdin: input.clone(), ..world.script("cat > copy; wc -c < copy") };
    assert_eq!(world.run_exec(&sandbox, exec).stdout.trim(), "5000000");
    assert_eq!(std::fs::read(sandbox.directory().join("workspace/copy")).unwrap(), input);
    let exec = Exec { stdin: input, ..world.script("exit 0") };
    assert!(world.run_exec(&sandbox, exec).succeeded());
}

fn long_output(world: &World) {
    let mut specification = world.specification();
    specification.limits = Limits { output_bytes: 100_000, tail_bytes: 1_000, ..Limits::default() };
    let sandbox = Sandbox::open(&launcher(), &specification).unwrap();
    let exec = world.script("for i in {100000..199999}; do echo $i; done");
    let id = exec.id.clone();
    let captured = world.run_exec(&sandbox, exec).exit.stdout;
    assert_eq!((captured.total_bytes, captured.kept_bytes), (700_000, 100_000));
    assert_eq!((captured.tail_bytes, captured.dropped), (1_000, 599_000));
    let head = sandbox.read(&id, Stream::Stdout, 0, usize::MAX).unwrap();
    assert!(head.len() == 100_000 && head.starts_with(b"100000\n"));
    assert_eq!(sandbox.read(&id, Stream::Stdout, 7, 7).unwrap(), b"100001\n");
    let tail = sandbox.tail(&id, Stream::Stdout).unwrap();
    assert!(tail.len() == 1_000 && tail.ends_with(b"199998\n199999\n"));
}

fn output_while_running(world: &World) {
    let sandbox = world.open();
    // The command waits for what only a reader of its output can know.
    let exec = world.script("echo secret-word; until test -e secret-word; do :; done");
    let id = exec.id.clone();
    let attached = sandbox.start_or_attach(exec).unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"\n") {
        seen = sandbox.read(&id, Stream::Stdout, 0, 100).unwrap();
    }
    assert_eq!(attached.wait_timeout(Duration::ZERO).unwrap(), None);
    let name = String::from_utf8(seen).unwrap();
    std::fs::write(sandbox.directory().join("workspace").join(name.trim()), "").unwrap();
    assert_eq!(attached.wait().unwrap().status, Status::Exited(0));
}

fn many_at_once(world: &World) {
    let sandbox = world.open();
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let sandbox = &sandbox;
            scope.spawn(move || {
                for turn in 0..5 {
                    let text = format!("{worker} {turn}\n").repeat(20_000);
                    let exec = Exec { stdin: text.clone().into_bytes(), ..world.script("cat") };
                    assert_eq!(world.run_exec(sandbox, exec).stdout, text);
                }
            });
        }
    });
}

fn no_command(world: &World) {
    let sandbox = world.open();
    let id = |name: &str| ExecId::new(name).unwrap();
    let missing = world.run_exec(&sandbox, Exec::new(id("missing"), ["no-such-program"]));
    assert_eq!(missing.exit.status, Status::Exited(127));
    assert!(missing.stderr.contains("no-such-program"), "{}", missing.stderr);
    let directory = world.run_exec(&sandbox, Exec::new(id("directory"), ["/usr"]));
    assert_eq!(directory.exit.status, Status::Exited(126));
    let nowhere = Exec { working_directory: Some("/no/where".into()), ..Exec::new(id("nowhere"), ["true"]) };
    assert_eq!(world.run_exec(&sandbox, nowhere).exit.status, Status::Exited(126));

    let refused = |exec: Exec| matches!(sandbox.start_or_attach(exec), Err(Error::Invalid(_)));
    assert!(refused(Exec::new(id("empty"), [""; 0])));
    assert!(refused(Exec::new(id("nul"), ["echo", "a\0b"])));
    assert!(refused(Exec { environment: vec![("A=B".into(), String::new())], ..Exec::new(id("name"), ["true"]) }));
    for bad in ["", ".", "../x", "a/b", "-x", &"x".repeat(101)] {
        assert!(ExecId::new(bad).is_err(), "{bad}");
    }
}

fn mounts(world: &World) {
    let source = world.root.path().join("source");
    std::fs::create_dir_all(source.join("bin")).unwrap();
    std::fs::write(source.join("bin/greet"), "#!/bin/sh\necho greetings\n").unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(source.join("bin/greet"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let tool = PathBuf::from("/opt/backspace/bin/toolbox");
    let mut specification = world.specification();
    specification.mounts = vec![
        Mount { source: source.clone(), target: "/source".into() },
        Mount { source: source.join("bin/greet"), target: tool.clone() },
    ];
    specification.path = vec!["/source/bin".into()];
    let sandbox = Sandbox::open(&launcher(), &specification).unwrap();
    let inside = |path: &str| sandbox.layout().inside(path.as_ref()).display().to_string();
    let script = format!("greet && {}", inside(tool.to_str().unwrap()));
    assert_eq!(world.run(&sandbox, &script).stdout, "greetings\ngreetings\n");
    let written = world.run(&sandbox, &format!("echo x > {}", inside("/source/new")));
    assert!(!written.succeeded() && !source.join("new").exists());

    for target in ["/usr/lib/x", "/tmp/x", "/", "/home", "relative", "/a/../usr"] {
        let mounts = vec![Mount { source: source.clone(), target: target.into() }];
        let refused = Sandbox::open(&launcher(), &Specification { mounts, ..world.specification() });
        assert!(matches!(refused, Err(Error::Invalid(_))), "{target}");
    }
}

fn working_unix(world: &World) {
    let sandbox = world.open();
    let checks = [
        "test \"$(id -un) $(id -u) $(id -g)\" = 'agent 1000 1000'",
        "test \"$(hostname)\" = sandbox",
        "cat <(echo substitution) > /dev/null",
        "test \"$(stat -c %U /workspace /home/agent /tmp /state | sort -u)\" = agent",
        "echo > /tmp/a && echo > /state/a && echo > ~/a && echo > /dev/shm/a && echo > /dev/null",
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
    for finding in sandbox::examine(&launcher()) {
        assert_eq!(finding.works, Some(true), "{finding:?}");
    }
}
