//! Runs git on a repository of the forge.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use domain::{CommitId, Dependency, Unavailable};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// git, for one bare repository of the forge.
pub(super) struct Git {
    repository: PathBuf,
}

/// What git answered.
pub(super) struct Answer {
    pub success: bool,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Answer {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim().to_owned()
    }

    fn failed(&self, what: &str) -> Unavailable {
        Unavailable::new(Dependency::Forge, format!("git {what}: {}", self.stderr.trim()))
    }
}

impl Git {
    pub(super) fn new(repository: PathBuf) -> Self {
        Self { repository }
    }

    pub(super) fn repository(&self) -> &Path {
        &self.repository
    }

    /// Makes the repository, unless it is there.
    pub(super) async fn init(&self) -> Result<(), Unavailable> {
        if self.repository.join("HEAD").exists() {
            return Ok(());
        }
        // Readable by all: a sandbox has another user.
        let arguments = ["init", "--quiet", "--bare", "--shared=0644", "--initial-branch=main", "--template="];
        let mut command = command();
        command.args(arguments).arg(&self.repository);
        let answer = answer(command, b"").await?;
        if answer.success { Ok(()) } else { Err(answer.failed("init")) }
    }

    /// Runs git on the repository; its failure is an error.
    pub(super) async fn run(&self, arguments: &[impl AsRef<OsStr>], stdin: &[u8]) -> Result<Vec<u8>, Unavailable> {
        let answer = self.ask(arguments, stdin).await?;
        if answer.success {
            return Ok(answer.stdout);
        }
        let what = arguments.first().map(|argument| argument.as_ref().to_string_lossy().into_owned());
        Err(answer.failed(&what.unwrap_or_default()))
    }

    /// Runs git on the repository.
    pub(super) async fn ask(&self, arguments: &[impl AsRef<OsStr>], stdin: &[u8]) -> Result<Answer, Unavailable> {
        let mut command = command();
        command.arg("--git-dir").arg(&self.repository).args(arguments);
        answer(command, stdin).await
    }

    /// The commit that a reference points at.
    pub(super) async fn resolve(&self, reference: &str) -> Result<Option<CommitId>, Unavailable> {
        // A loose reference is a file with the commit's name in it: the common case needs no process.
        if let Ok(text) = std::fs::read_to_string(self.repository.join(reference))
            && let Ok(commit) = text.trim().parse()
        {
            return Ok(Some(commit));
        }
        if !self.repository.join("packed-refs").exists() {
            return Ok(None);
        }
        let answer = self.ask(&["rev-parse", "--verify", "--quiet", "--end-of-options", reference], b"").await?;
        Ok(if answer.success { answer.text().parse().ok() } else { None })
    }

    /// Removes branches of the copy whose names would not let `branch` be made: `feat` for `feat/x`, and the other way round.
    /// They are copies of what the source no longer has.
    pub(super) async fn make_room_for(&self, branch: &str) -> Result<(), Unavailable> {
        let listed = self.run(&["for-each-ref", "--format=%(refname)", "refs/heads"], b"").await?;
        for reference in String::from_utf8_lossy(&listed).lines() {
            let other = reference.strip_prefix("refs/heads/").unwrap_or(reference);
            let clashes = branch.starts_with(&format!("{other}/")) || other.starts_with(&format!("{branch}/"));
            if clashes && !other.starts_with(super::OWN_BRANCHES) {
                self.run(&["update-ref", "-d", reference], b"").await?;
            }
        }
        Ok(())
    }

    /// The content of a blob (`commit:path`); none when there is no such file.
    pub(super) async fn blob(&self, object: &str) -> Result<Option<Vec<u8>>, Unavailable> {
        let answer = self.ask(&["cat-file", "blob", object], b"").await?;
        Ok(answer.success.then_some(answer.stdout))
    }

    /// Moves a branch from where it is expected (nowhere: it is new) to `commit`; false when it is elsewhere.
    pub(super) async fn move_branch(
        &self,
        branch: &str,
        commit: &CommitId,
        expected: Option<&CommitId>,
    ) -> Result<bool, Unavailable> {
        let reference = format!("refs/heads/{branch}");
        if self.resolve(&reference).await?.as_ref() == Some(commit) {
            return Ok(true);
        }
        let zeros = "0".repeat(commit.as_str().len());
        let old = expected.map_or(zeros.as_str(), CommitId::as_str);
        let answer = self.ask(&["update-ref", &reference, commit.as_str(), old], b"").await?;
        if answer.success {
            return Ok(true);
        }
        if self.resolve(&reference).await?.as_ref() == expected {
            return Err(answer.failed("update-ref"));
        }
        Ok(false)
    }
}

/// What the environment may say about which repository is meant. Hooks and dotfile set-ups leave it there.
pub(crate) const REPOSITORY_VARIABLES: [&str; 11] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_CEILING_DIRECTORIES",
    "GIT_DEFAULT_HASH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
];

/// git for our own repositories: nobody's configuration, no prompts, no hooks.
pub(super) fn command() -> Command {
    let mut command = command_as_configured();
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    command.env_remove("GIT_CONFIG_PARAMETERS").env_remove("GIT_CONFIG_COUNT");
    command
}

/// git with the user's configuration, for talking to an address: it may hold the way there. A server that falls silent is
/// given up.
pub(super) fn command_as_configured() -> Command {
    let mut command = Command::new("git");
    let settings = [
        "core.hooksPath=/dev/null",
        "gc.auto=0",
        "maintenance.auto=false",
        "http.lowSpeedLimit=1",
        "http.lowSpeedTime=30",
    ];
    for setting in settings {
        command.args(["-c", setting]);
    }
    for variable in REPOSITORY_VARIABLES {
        command.env_remove(variable);
    }
    command
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ALLOW_PROTOCOL", "file:http:https:ssh")
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("LC_ALL", "C")
        .env("SSH_ASKPASS", "/bin/false")
        .env("SSH_ASKPASS_REQUIRE", "force")
        .kill_on_drop(true);
    command
}

/// Runs a command to its end.
pub(super) async fn answer(mut command: Command, stdin: &[u8]) -> Result<Answer, Unavailable> {
    let failed = |error| Unavailable::new(Dependency::Forge, error);
    let input = if stdin.is_empty() { Stdio::null() } else { Stdio::piped() };
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let mut input = child.stdin.take();
    let write = async {
        if let Some(pipe) = &mut input {
            // git may stop reading before the end when it fails; its exit code tells.
            let _ = pipe.write_all(stdin).await;
        }
        drop(input);
    };
    let ((), output) = tokio::join!(write, child.wait_with_output());
    let output = output.map_err(failed)?;
    Ok(Answer {
        success: output.status.success(),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
