//! Scenarios through the public surface, in both modes, as root and as an ordinary user. The binary is its own supervisor, which
//! is why it has a `main` of its own.

#![expect(clippy::unwrap_used, reason = "a scenario fails by panicking")]
#![expect(clippy::print_stdout, reason = "a test harness reports")]

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, ExitCode};
use std::sync::mpsc::channel;
use std::time::Duration;

use sandbox::Mode;

use crate::world::World;

mod attaching;
mod attacking;
mod clients;
mod ending;
mod escaping;
mod limiting;
mod removing;
mod running;
mod table;
mod toolbox;
mod world;

/// No account; any id that owns nothing will do.
const ORDINARY_USER: u32 = 12_345;
/// More than any scenario takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// The argument that runs the scenarios of attacks and exhaustion.
const ATTACKS: &str = "attacks";

type Scenario = (&'static str, &'static [Mode], fn(&World));

const BOTH: &[Mode] = &[Mode::Isolated, Mode::Reduced];
const ISOLATED: &[Mode] = &[Mode::Isolated];
const REDUCED: &[Mode] = &[Mode::Reduced];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("supervisor") => supervisor::supervise(),
        Some("embedder") => ending::embedder(&arguments[1], &arguments[2], &arguments[3]),
        Some("client") => clients::client(&arguments[1], &arguments[2]),
        Some("ordinary-user") => run_all(&arguments[1..]),
        Some(_) | None => {
            let own = run_all(&arguments);
            if std::fs::metadata("/proc/self").unwrap().uid() != 0 || own != ExitCode::SUCCESS {
                return own;
            }
            as_ordinary_user(&arguments)
        }
    }
}

/// The binary is copied to where that user can read it.
fn as_ordinary_user(filter: &[String]) -> ExitCode {
    let directory = tempfile::Builder::new().prefix("sandbox-scenarios").tempdir().unwrap();
    let program = directory.path().join("scenarios");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    for path in [directory.path(), &program] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(program);
    command.arg("ordinary-user").args(filter).uid(ORDINARY_USER).gid(ORDINARY_USER);
    if command.status().unwrap().success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run_all(arguments: &[String]) -> ExitCode {
    let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
    let user = std::fs::metadata("/proc/self").unwrap().uid();
    let scenarios = [
        running::SCENARIOS,
        attaching::SCENARIOS,
        clients::SCENARIOS,
        toolbox::SCENARIOS,
        ending::SCENARIOS,
        escaping::SCENARIOS,
        attacking::SCENARIOS,
        removing::SCENARIOS,
    ]
    .concat();
    // These take a minute for each user. They run when they are asked for, all of them or one by its name.
    let attacks = [limiting::SCENARIOS, table::SCENARIOS].concat();
    let (scenarios, filter) = match filter.map(String::as_str) {
        Some(ATTACKS) => (attacks, None),
        Some(_) => ([scenarios, attacks].concat(), filter),
        None => {
            println!("NOT RUN: {} scenarios of attacks and exhaustion; tests/run attacks runs them", attacks.len());
            (scenarios, None)
        }
    };
    let mut failed = Vec::new();
    let mut passed = 0;
    for (name, modes, scenario) in scenarios {
        for mode in modes {
            let title = format!("{name} ({mode:?}, user {user})");
            if filter.is_some_and(|filter| !title.contains(filter.as_str())) {
                continue;
            }
            if run(*mode, scenario) {
                passed += 1;
                println!("scenario {title} ... ok");
            } else {
                println!("scenario {title} ... FAILED");
                failed.push(title);
            }
        }
    }
    println!("user {user}: {passed} passed, {} failed {failed:#?}", failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Each scenario has a thread of its own that ends with it: sandboxes must not depend on the thread that opened them.
fn run(mode: Mode, scenario: fn(&World)) -> bool {
    let (sender, result) = channel();
    std::thread::spawn(move || {
        let world = World::new(mode);
        let passed = catch_unwind(AssertUnwindSafe(|| scenario(&world))).is_ok();
        let clean = catch_unwind(AssertUnwindSafe(|| world.assert_nothing_is_left())).is_ok();
        // Its directory goes before the program can.
        drop(world);
        sender.send(passed && clean).unwrap();
    });
    result.recv_timeout(PATIENCE).unwrap_or(false)
}
