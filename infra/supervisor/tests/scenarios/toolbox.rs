use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox_protocol::{ByteRange, ClientError, Exec, ExitStatus, FailureKind, Program, Progress, Started, Stream};
use toolbox::{Answer, Baseline, Call, Collect, Create, ErrorKind, Glob, Response, Survey, View};

use crate::world::{LONG, Sandbox, World, children, supervisors};
use crate::{BOTH, Scenario};

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("the worker carries out operations on what commands have made", BOTH, operations),
    ("commands do not see what the worker keeps", BOTH, state),
    ("a recorded operation runs once, is told again, and is cut off with its supervisor", BOTH, recorded),
    ("a worker that dies costs one operation", BOTH, killed_worker),
    ("a worker that takes too long is replaced", BOTH, stopped_worker),
    ("an operation that is killed ends, at work or waiting", BOTH, killed_operations),
    ("what is no operation is refused, and the worker stays", BOTH, no_operation),
];

const SURVEY: Call = Call::Survey(Survey {});

fn with_repository(world: &World) -> Sandbox {
    let sandbox = world.open();
    let script = "git init -q . && echo first > file && git add . && \
                  git -c user.name=a -c user.email=a@b commit -q -m first";
    let made = world.run(&sandbox, script);
    assert!(made.succeeded(), "{}", made.stderr);
    sandbox
}

fn baseline(sandbox: &Sandbox) {
    let taken = sandbox.ask(&Call::Baseline(Baseline {}), LONG).unwrap();
    assert!(matches!(&taken, Ok(Answer::Baseline(taken)) if taken.files == 1), "{taken:?}");
}

fn recorded_exec(id: &str) -> Exec {
    Exec::new(id, Program::Toolbox)
}

fn operations(world: &World) {
    let sandbox = with_repository(world);
    baseline(&sandbox);
    let create = Create { path: "made/by/worker".into(), file_text: "made\n".into() };
    sandbox.ask(&Call::Create(create), LONG).unwrap().unwrap();
    assert_eq!(world.run(&sandbox, "cat made/by/worker; echo command > other; chmod 755 other").stdout, "made\n");
    let Answer::Collect(collected) = sandbox.ask(&Call::Collect(Collect::default()), LONG).unwrap().unwrap() else {
        panic!("another answer")
    };
    let mut paths: Vec<String> = collected.changes.iter().map(|change| format!("{:?}", change.path())).collect();
    paths.sort();
    assert_eq!(paths.len(), 2, "{paths:?}");
    // It reads what commands wrote, in memory that has an end.
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", worker())).unwrap();
    let data = limits.lines().find(|line| line.starts_with("Max data size")).unwrap();
    assert!(data.contains(" 1073741824 "), "{data}");
    // The stored outputs of commands can be viewed too.
    let noisy = world.script("echo said by a command");
    let id = noisy.id.clone();
    sandbox.run(noisy, b"");
    let path = format!("{}/{id}/stdout", sandbox.layout().outputs);
    let view = View { path, ..serde_json::from_str(r#"{"path":""}"#).unwrap() };
    let viewed = sandbox.ask(&Call::View(view), LONG).unwrap();
    assert!(format!("{viewed:?}").contains("said by a command"), "{viewed:?}");
}

fn state(world: &World) {
    let sandbox = with_repository(world);
    baseline(&sandbox);
    let state = sandbox.directory().join("state");
    assert!(state.join("base.git").exists());
    let path = match world.mode {
        sandbox::Mode::Isolated => "/state".to_owned(),
        sandbox::Mode::Reduced => state.display().to_string(),
    };
    for attempt in ["cat {}/base.git/HEAD", "ls {}/base.git", "touch {}/planted", "rm -r {}/base.git", "mkdir {}/x"] {
        let ran = world.run(&sandbox, &attempt.replace("{}", &path));
        assert!(!ran.succeeded(), "{attempt}: {}", ran.stdout);
    }
    assert!(!world.run(&sandbox, "grep state /proc/self/mountinfo").succeeded());
    assert!(state.join("base.git").exists());
}

fn recorded(world: &World) {
    let sandbox = with_repository(world);
    let call = serde_json::to_vec(&SURVEY).unwrap();
    assert_eq!(sandbox.start(recorded_exec("survey"), &call).unwrap(), Started::New);
    let exit = sandbox.exit("survey");
    assert_eq!(exit.status, ExitStatus::Exited(0));
    assert_eq!(sandbox.start(recorded_exec("survey"), &call).unwrap(), Started::Finished(exit.clone()));
    let response = sandbox.output("survey", Stream::Stdout, ByteRange::From(0, u64::MAX));
    assert_eq!(response.len() as u64, exit.stdout_bytes);
    assert!(matches!(Response::parse(&response), Ok(Answer::Survey(_))));

    let worker = worker();
    kill(worker, Signal::SIGSTOP).unwrap();
    assert_eq!(sandbox.start(recorded_exec("cut-off"), &call).unwrap(), Started::New);
    assert_eq!(sandbox.start(recorded_exec("cut-off"), &call).unwrap(), Started::Running);
    drop(sandbox);
    let sandbox = world.open();
    assert_eq!(sandbox.start(recorded_exec("cut-off"), &call).unwrap(), Started::CutOff);
    assert_eq!(sandbox.wait("cut-off"), Progress::CutOff);
    assert_eq!(sandbox.start(recorded_exec("survey"), &call).unwrap(), Started::Finished(exit));
}

/// The worker's process: with no command running, the deepest below the supervisor.
fn worker() -> Pid {
    fn deepest(process: i32, depth: u32) -> (u32, i32) {
        let below = children(process).into_iter().map(|child| deepest(child, depth + 1));
        below.chain([(depth, process)]).max().unwrap()
    }
    let supervisor = supervisors()[0];
    let (_, worker) = deepest(supervisor, 0);
    assert_ne!(worker, supervisor);
    Pid::from_raw(worker)
}

fn killed_worker(world: &World) {
    let sandbox = with_repository(world);
    sandbox.ask(&SURVEY, LONG).unwrap().unwrap();
    let first = worker();
    // Between two operations, in the middle of one, and in the middle of one that is recorded.
    kill(first, Signal::SIGKILL).unwrap();
    let between = sandbox.ask(&SURVEY, LONG);
    assert!(matches!(between, Ok(Ok(_)) | Err(ClientError::Failed(_))), "{between:?}");
    sandbox.ask(&SURVEY, LONG).unwrap().unwrap();
    let second = worker();
    assert_ne!(first, second);

    kill(second, Signal::SIGSTOP).unwrap();
    let other = sandbox.connect();
    std::thread::scope(|scope| {
        let asking = scope.spawn(move || other.ask(&SURVEY, LONG));
        // It was asked when this is answered, or will be: either way the operation dies with the worker or meets the next one.
        sandbox.list();
        kill(second, Signal::SIGKILL).unwrap();
        let asked = asking.join().unwrap();
        let died = |failure: &sandbox_protocol::Failure| failure.kind == FailureKind::WorkerDied;
        assert!(matches!(&asked, Err(ClientError::Failed(failure)) if died(failure)) || asked.is_ok(), "{asked:?}");
    });
    sandbox.ask(&SURVEY, LONG).unwrap().unwrap();

    let third = worker();
    kill(third, Signal::SIGSTOP).unwrap();
    sandbox.start(recorded_exec("dies"), &serde_json::to_vec(&SURVEY).unwrap()).unwrap();
    sandbox.start(recorded_exec("lives"), &serde_json::to_vec(&SURVEY).unwrap()).unwrap();
    kill(third, Signal::SIGKILL).unwrap();
    let exit = sandbox.exit("dies");
    assert_eq!((exit.status, exit.stdout_bytes), (ExitStatus::Signalled(9), 0));
    assert_eq!(sandbox.exit("lives").status, ExitStatus::Exited(0));
}

fn stopped_worker(world: &World) {
    let sandbox = with_repository(world);
    sandbox.ask(&SURVEY, LONG).unwrap().unwrap();
    kill(worker(), Signal::SIGSTOP).unwrap();
    let short = Duration::from_millis(200);
    let late = sandbox.ask(&SURVEY, short);
    assert!(
        matches!(&late, Err(ClientError::Failed(failure)) if failure.kind == FailureKind::WorkerTimedOut),
        "{late:?}"
    );
    sandbox.ask(&SURVEY, LONG).unwrap().unwrap();
    kill(worker(), Signal::SIGSTOP).unwrap();
    // The second one's time begins when the first one's is over.
    let call = serde_json::to_vec(&SURVEY).unwrap();
    sandbox.start(Exec { timeout: short, ..recorded_exec("late") }, &call).unwrap();
    sandbox.start(Exec { timeout: Duration::from_secs(20), ..recorded_exec("next") }, &call).unwrap();
    assert_eq!(sandbox.exit("late").status, ExitStatus::TimedOut);
    assert_eq!(sandbox.exit("next").status, ExitStatus::Exited(0));
}

fn killed_operations(world: &World) {
    let sandbox = with_repository(world);
    sandbox.ask(&SURVEY, LONG).unwrap().unwrap();
    kill(worker(), Signal::SIGSTOP).unwrap();
    let call = serde_json::to_vec(&SURVEY).unwrap();
    for id in ["at-work", "waits", "stays"] {
        sandbox.start(recorded_exec(id), &call).unwrap();
    }
    sandbox.kill("waits");
    assert_eq!(sandbox.exit("waits").status, ExitStatus::Killed);
    assert_eq!(sandbox.wait_for("at-work", Duration::ZERO).unwrap(), Progress::Running);
    sandbox.kill("at-work");
    assert_eq!(sandbox.exit("at-work").status, ExitStatus::Killed);
    assert_eq!(sandbox.exit("stays").status, ExitStatus::Exited(0));
    assert_eq!(sandbox.start(recorded_exec("at-work"), &call).unwrap(), Started::Finished(sandbox.exit("at-work")));
}

fn no_operation(world: &World) {
    let sandbox = with_repository(world);
    sandbox.ask(&SURVEY, LONG).unwrap().unwrap();
    let before = worker();
    let refused = sandbox.start(recorded_exec("nonsense"), b"nonsense");
    assert!(matches!(refused, Err(ClientError::Failed(failure)) if failure.kind == FailureKind::Invalid));
    // Escapes from its place in the request.
    let refused = sandbox.start(recorded_exec("escape"), br#"{"survey":{}},"state":"/""#);
    assert!(matches!(refused, Err(ClientError::Failed(failure)) if failure.kind == FailureKind::Invalid));
    assert_eq!(sandbox.start(recorded_exec("unknown"), br#"{"launch":{}}"#).unwrap(), Started::New);
    assert_eq!(sandbox.exit("unknown").status, ExitStatus::Exited(0));
    let response = sandbox.output("unknown", Stream::Stdout, ByteRange::From(0, u64::MAX));
    assert_eq!(Response::parse(&response).unwrap_err().kind, ErrorKind::Protocol);
    let outside = Call::Glob(Glob { pattern: "*".into(), ..serde_json::from_str(r#"{"pattern":""}"#).unwrap() });
    sandbox.ask(&outside, LONG).unwrap().unwrap();
    assert_eq!(worker(), before);
}
