//! Measures what an exec and an operation of the toolbox cost: the median of 100, in each mode, as root and as an ordinary user.
//!
//! Programs are started one right after the other, and with a pause between, as when a model answers in between.

#![expect(clippy::print_stdout, reason = "an example that prints its figures")]

use std::error::Error;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use sandbox::{Mode, Network, Specification, Survives, Totals};
use sandbox_protocol::{Call, Exec, Frames, Greeting, Program, Reply, Request, encode};
use supervisor::{Launcher, Order};

const RUNS: u64 = 100;
/// Less than the fastest model takes.
const PAUSE: Duration = Duration::from_millis(10);
/// No account; any id that owns nothing will do.
const ORDINARY_USER: u32 = 12_345;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        Some("supervisor") => return Ok(supervisor::supervise()),
        Some(_) => measure("ordinary user")?,
        None => {
            measure(if is_root()? { "root" } else { "ordinary user" })?;
            if is_root()? {
                as_ordinary_user()?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn is_root() -> Result<bool, Box<dyn Error>> {
    use std::os::unix::fs::MetadataExt;
    Ok(std::fs::metadata("/proc/self")?.uid() == 0)
}

/// The program is copied to where that user can read it.
fn as_ordinary_user() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::Builder::new().prefix("supervisor-timing").tempdir()?;
    set_mode(directory.path(), 0o755)?;
    let program = directory.path().join("timing");
    std::fs::copy(std::env::current_exe()?, &program)?;
    set_mode(&program, 0o755)?;
    Command::new(program).arg("again").uid(ORDINARY_USER).gid(ORDINARY_USER).status()?;
    Ok(())
}

fn set_mode(path: &Path, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

fn measure(user: &str) -> Result<(), Box<dyn Error>> {
    let bare = || {
        Command::new("/bin/true").status()?;
        Ok(())
    };
    let (at_once, paused) = (median(Duration::ZERO, |_| bare())?, median(PAUSE, |_| bare())?);
    println!("{user}, fork and exec alone: {at_once:?}, after a pause {paused:?}");
    let pauses = [Duration::ZERO, PAUSE].map(|pause| median(pause, |_| bubblewrap()));
    match pauses {
        [Ok(at_once), Ok(paused)] => {
            println!("{user}, bubblewrap with namespaces of its own each time: {at_once:?}, after a pause {paused:?}");
        }
        [Err(error), _] | [_, Err(error)] => println!("{user}, bubblewrap: not measured ({error})"),
    }
    let launcher = Launcher { program: std::env::current_exe()?, arguments: vec!["supervisor".into()] };
    let disk = tempfile::tempdir()?;
    // The reduced mode's user must be able to pass.
    set_mode(disk.path(), 0o755)?;
    let limited = Totals {
        memory_bytes: Some(4 << 30),
        sockets: Some(2000),
        disk_bytes: Some(10 << 30),
        disk_files: Some(1_000_000),
    };
    // As sessions have it, without and with a network; then without limits, and as a provider with durable records has it.
    let kinds = [
        ("Isolated", Mode::Isolated, Network::None, &limited, Survives::Crash),
        ("Isolated with a network", Mode::Isolated, Network::Proxy, &limited, Survives::Crash),
        ("Reduced", Mode::Reduced, Network::None, &limited, Survives::Crash),
        ("Isolated without limits", Mode::Isolated, Network::None, &Totals::default(), Survives::Crash),
        ("Isolated, record survives a power failure", Mode::Isolated, Network::None, &limited, Survives::PowerFailure),
        ("Reduced, record survives a power failure", Mode::Reduced, Network::None, &limited, Survives::PowerFailure),
    ];
    for (number, (kind, mode, network, totals, record)) in kinds.into_iter().enumerate() {
        let directory = disk.path().join(number.to_string());
        let begin = Instant::now();
        let totals = totals.clone();
        let specification = Specification { mode, network, totals, record, ..Specification::new(&directory) };
        let order = Order::new(specification);
        let tether = supervisor::start(&launcher, &order)?;
        let mut connection = Connection::open(&directory)?;
        let opened = begin.elapsed();
        let exec = median(Duration::ZERO, |run| connection.run(format!("run-{run}")))?;
        let paused = median(PAUSE, |run| connection.run(format!("paused-{run}")))?;
        let survey = Call::Ask { at_most: Duration::from_secs(10) };
        let operation = median(Duration::ZERO, |_| connection.ask(survey.clone(), br#"{"survey":{}}"#))?;
        println!(
            "{user}, {kind}: opened in {opened:?}, an exec takes {exec:?}, after a pause {paused:?}, an operation {operation:?}"
        );
        drop(tether);
        sandbox::remove_directory(&directory)?;
    }
    Ok(())
}

/// As usual for such programs: the host's files read-only, everything else its own.
fn bubblewrap() -> Result<(), Box<dyn Error>> {
    let arguments = "--unshare-all --die-with-parent --ro-bind / / --proc /proc --dev /dev --tmpfs /tmp /bin/true";
    let status = Command::new("bwrap").args(arguments.split(' ')).status()?;
    if status.success() { Ok(()) } else { Err(status.to_string().into()) }
}

/// One call at a time.
struct Connection {
    stream: UnixStream,
    frames: Frames,
    calls: u64,
}

impl Connection {
    fn open(directory: &Path) -> Result<Self, Box<dyn Error>> {
        let mut connection = Self { stream: supervisor::connect(directory)?, frames: Frames::default(), calls: 0 };
        connection.receive::<Greeting>()?;
        Ok(connection)
    }

    fn run(&mut self, id: String) -> Result<(), Box<dyn Error>> {
        let exec = Exec::new(id, Program::Command(vec!["/bin/true".to_owned()]));
        let wait = Call::Wait { exec: exec.id.clone(), at_most: exec.timeout, head_bytes: 0 };
        self.ask(Call::Start { exec }, b"")?;
        self.ask(wait, b"")
    }

    fn ask(&mut self, call: Call, body: &[u8]) -> Result<(), Box<dyn Error>> {
        self.calls += 1;
        self.stream.write_all(&encode(&Request { id: self.calls, call }, body)?)?;
        self.receive::<Reply>()?.outcome?;
        Ok(())
    }

    fn receive<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, Box<dyn Error>> {
        let mut chunk = [0; 4096];
        loop {
            if let Some((message, _)) = self.frames.take::<T>()? {
                return Ok(message);
            }
            match self.stream.read(&mut chunk)? {
                0 => return Err("the supervisor has closed the connection".into()),
                read => self.frames.push(&chunk[..read]),
            }
        }
    }
}

fn median(pause: Duration, mut run: impl FnMut(u64) -> Result<(), Box<dyn Error>>) -> Result<Duration, Box<dyn Error>> {
    let mut times = Vec::new();
    for number in 0..RUNS {
        std::thread::sleep(pause);
        let begin = Instant::now();
        run(number)?;
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
