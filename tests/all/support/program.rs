//! Runs the program as a user would, each time in a home directory of its own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::{PublishedBranch, RunningProgram};

/// The program, built beside the tests.
pub(crate) fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.ancestors().find(|path| path.ends_with("debug")).unwrap().join("backspace");
    assert!(program.exists(), "{} is not built: cargo build --workspace --bins", program.display());
    program
}

/// The file with the model's script, in a home.
const SCRIPT: &str = "script.json";

/// A home directory for the program. Dropping it fails the test when a process or a sandbox was left behind.
pub(crate) struct Home {
    directory: TempDir,
    variables: Vec<(String, String)>,
}

/// What the program wrote, and its exit code.
#[derive(Debug)]
pub(crate) struct ProgramOutput {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl ProgramOutput {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The JSON values on stdout, one per line.
    pub(crate) fn values(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The events of one kind.
    pub(crate) fn of_kind(&self, kind: &str) -> Vec<Value> {
        self.values().into_iter().filter(|value| value["kind"] == kind).collect()
    }

    /// The id of the session whose events were written.
    pub(crate) fn session(&self) -> String {
        let values = self.values();
        let id = values.iter().find_map(|value| value["sessionId"].as_str());
        id.unwrap_or_else(|| panic!("no session in {self:?}")).to_owned()
    }

    /// How the run ended; null when it did not.
    pub(crate) fn final_status(&self) -> Value {
        self.of_kind("run.finished").pop().map_or(Value::Null, |finished| finished["status"].clone())
    }

    /// The branch that the run published last.
    pub(crate) fn branch(&self) -> PublishedBranch {
        PublishedBranch::of(&self.of_kind("branch.published").pop().expect("no branch was published"))
    }

    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The path of a file or directory beside the program's own.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file beside the program's own.
    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.beside(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A command line of the program, whose environment has only what is set here.
    pub(crate) fn command(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(program());
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.beside("home"))
            .env("BACKSPACE_HOME", self.beside("data"))
            .envs(recorded())
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[impl AsRef<OsStr>]) -> ProgramOutput {
        ProgramOutput::of(self.command(arguments).output().unwrap())
    }

    /// A call of `code` with a script for the model, which writes its events as JSON.
    pub(crate) fn code_command(&self, repository: &Path, prompt: &str, script: &Value, more: &[&str]) -> Command {
        let script = self.write(SCRIPT, &script.to_string());
        let mut command = self.command(&["--json", "code"]);
        command.args([repository.as_os_str(), OsStr::new(prompt), OsStr::new("--script"), script.as_os_str()]);
        command.args(more);
        command
    }

    /// Runs `code` to its end.
    pub(crate) fn code(&self, repository: &Path, prompt: &str, script: &Value, more: &[&str]) -> ProgramOutput {
        ProgramOutput::of(self.code_command(repository, prompt, script, more).output().unwrap())
    }

    /// Starts `code`, so that the test can act between its events.
    pub(crate) fn start_code(&self, repository: &Path, prompt: &str, script: &Value) -> RunningProgram {
        RunningProgram::spawn(self.code_command(repository, prompt, script, &[]))
    }

    /// Runs a `sessions` command with the script that `code` was given.
    pub(crate) fn sessions(&self, arguments: &[&str]) -> ProgramOutput {
        self.run(&self.sessions_arguments(arguments))
    }

    /// Starts a `sessions` command, so that the test can act between its events.
    pub(crate) fn start_sessions(&self, arguments: &[&str]) -> RunningProgram {
        RunningProgram::spawn(self.command(&self.sessions_arguments(arguments)))
    }

    fn sessions_arguments(&self, arguments: &[&str]) -> Vec<String> {
        let script = self.beside(SCRIPT).display().to_string();
        let arguments = [&["--json", "sessions"], arguments, &["--script", &script]].concat();
        arguments.into_iter().map(str::to_owned).collect()
    }

    /// All events of a session.
    pub(crate) fn events(&self, session: &str) -> ProgramOutput {
        self.run(&["--json", "sessions", "events", session]).expect_code(0)
    }

    /// Processes that have this home in their environment, command line or working directory. A process that was killed stays
    /// in `/proc` for a moment, so this waits up to 5 s for the list to become empty.
    pub(crate) fn processes(&self) -> Vec<String> {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        loop {
            let left = self.processes_now();
            if left.is_empty() || std::time::Instant::now() > deadline {
                return left;
            }
            std::thread::yield_now();
        }
    }

    fn processes_now(&self) -> Vec<String> {
        let home = self.path().display().to_string();
        let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        entries
            .filter(|entry| entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()))
            .filter_map(|entry| {
                let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
                let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
                let cwd = std::fs::read_link(entry.path().join("cwd")).unwrap_or_default();
                let text = String::from_utf8_lossy(&[environment, command].concat()).into_owned();
                (text.contains(&home) || cwd.starts_with(&home)).then(|| entry.path().display().to_string())
            })
            .collect()
    }

    /// Names of the directories of sandboxes.
    pub(crate) fn sandboxes(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.beside("data/sandboxes")).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.processes(), Vec::<String>::new(), "processes were left behind");
            assert_eq!(self.sandboxes(), Vec::<String>::new(), "sandboxes were left behind");
        }
    }
}

/// The directory where stand-ins record the bodies that our client sends; set when `tests/run judges` will check them.
#[expect(clippy::disallowed_methods, reason = "the program gets a clean environment with only this variable of ours")]
fn recorded() -> Option<(&'static str, std::ffi::OsString)> {
    const NAME: &str = "BACKSPACE_STAND_IN_RECORD";
    std::env::var_os(NAME).map(|directory| (NAME, directory))
}
