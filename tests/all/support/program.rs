//! Runs the program as a user would, each time in a home of its own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The program, built beside the tests.
pub(crate) fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.ancestors().find(|path| path.ends_with("debug")).unwrap().join("backspace");
    assert!(program.exists(), "{} is not built: cargo build --workspace --bins", program.display());
    program
}

/// A home for the program. When it goes away nothing may be left of what ran in it.
pub(crate) struct Home {
    directory: TempDir,
    variables: Vec<(String, String)>,
}

/// How a call of the program ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    fn of(output: Output) -> Self {
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

    /// The values of one kind of event.
    pub(crate) fn of_kind(&self, kind: &str) -> Vec<Value> {
        self.values().into_iter().filter(|value| value["kind"] == kind).collect()
    }

    /// The session that the frames speak of.
    pub(crate) fn session(&self) -> String {
        let values = self.values();
        let id = values.iter().find_map(|value| value["sessionId"].as_str());
        id.unwrap_or_else(|| panic!("no session in {self:?}")).to_owned()
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

    /// A file or directory beside the program's own.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file beside the program's own.
    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.beside(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The program with an environment that has nothing but what is given here.
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
    pub(crate) fn run(&self, arguments: &[impl AsRef<OsStr>]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    /// Carries out a prompt with a script, answering in JSON.
    pub(crate) fn code(&self, repository: &Path, prompt: &str, script: &Value, more: &[&str]) -> Ran {
        let script = self.write("script.json", &script.to_string());
        let mut arguments: Vec<&OsStr> = ["--json", "code"].iter().map(OsStr::new).collect();
        arguments.extend([repository.as_os_str(), OsStr::new(prompt), OsStr::new("--script"), script.as_os_str()]);
        arguments.extend(more.iter().map(OsStr::new));
        self.run(&arguments)
    }

    /// Processes that still work below this home. What was killed a moment ago gets the moment it needs to go.
    pub(crate) fn processes(&self) -> Vec<String> {
        let answer_timeout = std::time::Instant::now() + std::time::Duration::from_secs(5);
        loop {
            let left = self.processes_now();
            if left.is_empty() || std::time::Instant::now() > answer_timeout {
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

    /// Directories of sandboxes.
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

/// Where stand-ins are to keep what our client sends, when this is a run for judges.
#[expect(
    clippy::disallowed_methods,
    reason = "the program runs in an environment of its own and is told only this of ours"
)]
fn recorded() -> Option<(&'static str, std::ffi::OsString)> {
    const NAME: &str = "BACKSPACE_STAND_IN_RECORD";
    std::env::var_os(NAME).map(|directory| (NAME, directory))
}

/// git, with an identity and nothing of the machine's configuration.
pub(crate) fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(["-c", "user.name=Test", "-c", "user.email=test@example.invalid", "-c", "safe.directory=*"])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "git {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A repository with one commit of the given files.
pub(crate) fn repository(home: &Home, name: &str, files: &[(&str, &str)]) -> PathBuf {
    let directory = home.beside(name);
    std::fs::create_dir_all(&directory).unwrap();
    git(&directory, &["init", "--quiet", "--initial-branch=main"]);
    for (path, content) in files {
        let path = directory.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    if !files.is_empty() {
        git(&directory, &["add", "--all"]);
        git(&directory, &["commit", "--quiet", "--message=Begin"]);
    }
    directory
}

/// A copy of a fixture as a repository with one commit.
pub(crate) fn fixture(home: &Home, name: &str) -> PathBuf {
    let from = Path::new("fixtures/repositories").join(name);
    let to = home.beside(name);
    copy(&from, &to);
    git(&to, &["init", "--quiet", "--initial-branch=main"]);
    git(&to, &["add", "--all"]);
    git(&to, &["commit", "--quiet", "--message=Begin"]);
    to
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What a directory holds: every path with its content, `.git` included.
pub(crate) fn contents(directory: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    fn gather(top: &Path, directory: &Path, found: &mut std::collections::BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                gather(top, &path, found);
            } else {
                let name = path.strip_prefix(top).unwrap().display().to_string();
                found.insert(name, std::fs::read(&path).unwrap_or_default());
            }
        }
    }
    let mut found = std::collections::BTreeMap::new();
    gather(directory, directory, &mut found);
    found
}
