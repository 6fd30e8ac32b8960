//! Measures `collect` beside `git status`, in the same run: a checkout of 100,000 files with one change, and the sample
//! repository of the tests.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and ends when its preparation fails"
)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use toolbox::{Baseline, Call, Collect, Request, Toolbox};

const FILES: usize = 100_000;
const ROUNDS: usize = 9;

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let large = directory.path().join("large");
    for number in 0..FILES {
        let file = large.join(format!("part{}/module{}/file{number}.txt", number % 40, number % 1_000));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, format!("line {number}\n")).unwrap();
    }
    measure("100,000 files, one change", &large, "part7/module7/file7.txt");
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/repositories/web");
    let copy = directory.path().join("web");
    assert!(Command::new("cp").arg("-r").args([&sample, &copy]).status().unwrap().success());
    measure("the sample repository, one change", &copy, "README.md");
}

/// Commits a directory, clones it, changes a file of the clone, and prints how long each way of finding that takes.
fn measure(name: &str, origin: &Path, changed: &str) {
    git(origin, &["init", "-q", "-b", "main"]);
    git(origin, &["add", "-A"]);
    git(origin, &["-c", "user.name=Bench", "-c", "user.email=bench@example.com", "commit", "-q", "-m", "base"]);
    let workspace = origin.with_extension("workspace");
    let state = origin.with_extension("state");
    git(origin.parent().unwrap(), &["clone", "-q", &origin.to_string_lossy(), &workspace.to_string_lossy()]);
    let request = |call| Request::new(&workspace, &state, call);

    let mut toolbox = Toolbox::default();
    let baseline = time(1, || toolbox.answer(request(Call::Baseline(Baseline {}))));
    fs::write(workspace.join(changed), "another line\n").unwrap();
    // Neither side has to read files that were written in the same second as its record.
    git(&workspace, &["update-index", "-q", "--really-refresh"]);
    let collect = || request(Call::Collect(Collect::default()));
    let resident = time(ROUNDS, || toolbox.answer(collect()));
    let restarted = time(ROUNDS, || Toolbox::default().answer(collect()));
    let status = time(ROUNDS, || git(&workspace, &["status", "--porcelain"]));
    println!("{name}:");
    println!("  collect, resident   {}", milliseconds(resident));
    println!("  collect, restarted  {}", milliseconds(restarted));
    println!("  git status          {}", milliseconds(status));
    println!("  baseline, once      {}", milliseconds(baseline));
}

/// The median time of several rounds.
fn time<T>(rounds: usize, mut action: impl FnMut() -> T) -> Duration {
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(action());
            start.elapsed()
        })
        .collect();
    times.sort();
    times[rounds / 2]
}

fn milliseconds(duration: Duration) -> String {
    format!("{:9.2} ms", duration.as_secs_f64() * 1_000.0)
}

fn git(directory: &Path, arguments: &[&str]) {
    let output = Command::new("git").args(arguments).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}");
}
