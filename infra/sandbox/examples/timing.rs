//! Measures what an exec costs: the median of 100 runs of /bin/true, in each mode, as root and as an ordinary user.

#![expect(clippy::print_stdout, reason = "an example that prints its figures")]

use std::error::Error;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use sandbox::{Exec, ExecId, Launcher, Mode, Sandbox, Specification};

const RUNS: usize = 100;
/// No account; any id that owns nothing will do.
const ORDINARY_USER: u32 = 12_345;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        Some("sandbox-supervisor") => return Ok(sandbox::supervise()),
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
    let directory = tempfile::Builder::new().prefix("sandbox-timing").tempdir()?;
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
    let bare = median(RUNS, |_| {
        Command::new("/bin/true").status()?;
        Ok(())
    })?;
    println!("{user}, fork and exec alone: {bare:?}");
    let launcher = Launcher { program: std::env::current_exe()?, arguments: vec!["sandbox-supervisor".into()] };
    let disk = tempfile::tempdir()?;
    let memory = tempfile::tempdir_in("/dev/shm")?;
    for (place, directory) in [("on disk", disk.path()), ("in memory", memory.path())] {
        for mode in [Mode::Isolated, Mode::Reduced] {
            // The reduced mode's user must be able to pass.
            set_mode(directory, 0o755)?;
            let specification = Specification { mode, ..Specification::new(directory.join(format!("{mode:?}"))) };
            let begin = Instant::now();
            let sandbox = Sandbox::open(&launcher, &specification)?;
            let opened = begin.elapsed();
            let median = median(RUNS, |run| {
                let exec = Exec::new(ExecId::new(format!("run-{run}"))?, ["/bin/true"]);
                sandbox.start_or_attach(exec)?.wait()?;
                Ok(())
            })?;
            println!("{user}, {mode:?}, {place}: opened in {opened:?}, an exec takes {median:?}");
            sandbox.terminate()?;
        }
    }
    Ok(())
}

fn median(runs: usize, mut run: impl FnMut(usize) -> Result<(), Box<dyn Error>>) -> Result<Duration, Box<dyn Error>> {
    let mut times = Vec::with_capacity(runs);
    for number in 0..runs {
        let begin = Instant::now();
        run(number)?;
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    Ok(times[runs / 2])
}
