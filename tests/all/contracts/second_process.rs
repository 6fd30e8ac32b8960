//! A second process for the contract suites: this test binary once more, running one test.
//!
//! A suite's test looks whether it is the second process. If not, it does the first part, runs itself in a second process that
//! works on the same directory, and then checks what that left.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The directory that both processes work on. Set in the second one only.
const DIRECTORY: &str = "TESTS_SECOND_PROCESS_DIRECTORY";

/// The directory of the first process, when this is the second one.
#[expect(clippy::disallowed_methods, reason = "tells the two processes apart")]
pub(super) fn directory() -> Option<PathBuf> {
    std::env::var_os(DIRECTORY).map(PathBuf::from)
}

/// A second process that runs.
pub(super) struct SecondProcess {
    test: String,
    child: Child,
}

impl SecondProcess {
    /// Starts the test with this path (`contracts::…`) in another process.
    pub(super) fn start(test: &str, directory: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture"]).env(DIRECTORY, directory).envs(environment.iter().copied());
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Self { test: test.to_owned(), child }
    }

    /// Waits for its end, and fails unless its test passed.
    #[track_caller]
    pub(super) fn expect_success(self) {
        let output = self.child.wait_with_output().unwrap();
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let passed = output.status.success() && stdout.contains("1 passed");
        assert!(passed, "{} failed in a second process:\n{stdout}\n{stderr}", self.test);
    }
}

/// Runs the test with this path in another process, to its end.
#[track_caller]
pub(super) fn run(test: &str, directory: &Path) {
    SecondProcess::start(test, directory, &[]).expect_success();
}
