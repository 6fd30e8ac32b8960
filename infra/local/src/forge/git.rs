//! Runs git on the forge's bare repositories.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use domain::{CommitId, Dependency, Unavailable};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// Prefix of the branches that the forge publishes.
pub(super) const OWN_BRANCHES: &str = "backspace/";

/// One bare repository of the forge.
pub(super) struct Git {
    repository: PathBuf,
}

/// The result of a git command.
pub(super) struct GitOutput {
    pub success: bool,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl GitOutput {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim().to_owned()
    }

    fn error(&self, command: &str) -> Unavailable {
        Unavailable::new(Dependency::Forge, format!("git {command}: {}", self.stderr.trim()))
    }
}

impl Git {
    pub(super) fn new(repository: PathBuf) -> Self {
        Self { repository }
    }

    pub(super) fn repository(&self) -> &Path {
        &self.repository
    }

    /// Creates the repository unless it exists.
    pub(super) async fn init(&self) -> Result<(), Unavailable> {
        if self.repository.join("HEAD").exists() {
            return Ok(());
        }
        // Made under another name and renamed, because git that is killed in between leaves a lock file which would make every
        // later attempt fail.
        let new = self.repository.with_extension(format!("new-{:016x}", crate::clock::random()));
        // Readable by all users, since commands in a sandbox may run as another one.
        let arguments = ["init", "--quiet", "--bare", "--shared=0644", "--initial-branch=main", "--template="];
        let mut command = command();
        command.args(arguments).arg(&new);
        let output = run(command, b"").await?;
        if !output.success {
            return Err(output.error("init"));
        }
        let placed = std::fs::rename(&new, &self.repository).or_else(|_| {
            if !self.repository.join("HEAD").exists() {
                // What an attempt of an earlier version left.
                std::fs::remove_dir_all(&self.repository)?;
                return std::fs::rename(&new, &self.repository);
            }
            // Somebody else was faster.
            std::fs::remove_dir_all(&new)
        });
        placed.map_err(|error| Unavailable::new(Dependency::Forge, error))
    }

    /// Makes a bare repository with this branch alone, and as much of its history as a clone in a sandbox gets.
    pub(super) async fn clone_branch(&self, branch: &str, target: &Path) -> Result<(), Unavailable> {
        let mut clone = command();
        // Readable by all users, since commands in a sandbox may run as another one.
        let options = ["clone", "--quiet", "--bare", "--config=core.sharedRepository=0644", "--template="];
        clone.args(options).args(["--no-tags", "--single-branch", "--depth=50", "--branch", branch, "--"]);
        clone.arg(format!("file://{}", self.repository.display())).arg(target);
        let output = run(clone, b"").await?;
        if !output.success {
            return Err(output.error("clone"));
        }
        // Its address tells where the program keeps its files.
        Self::new(target.to_owned()).run(&["remote", "remove", "origin"], b"").await?;
        Ok(())
    }

    /// Runs git on the repository and returns its standard output. A failure of git is an error.
    pub(super) async fn run(&self, arguments: &[impl AsRef<OsStr>], stdin: &[u8]) -> Result<Vec<u8>, Unavailable> {
        let output = self.try_run(arguments, stdin).await?;
        if output.success {
            return Ok(output.stdout);
        }
        let command = arguments.first().map(|argument| argument.as_ref().to_string_lossy().into_owned());
        Err(output.error(&command.unwrap_or_default()))
    }

    /// Runs git on the repository. A failure of git is part of the result.
    pub(super) async fn try_run(
        &self,
        arguments: &[impl AsRef<OsStr>],
        stdin: &[u8],
    ) -> Result<GitOutput, Unavailable> {
        let mut command = command();
        command.arg("--git-dir").arg(&self.repository).args(arguments);
        run(command, stdin).await
    }

    /// The commit that a reference points to.
    pub(super) async fn resolve(&self, reference: &str) -> Result<Option<CommitId>, Unavailable> {
        // Usually the reference is loose, so a file that holds the commit's id: then no process is needed.
        if let Ok(text) = std::fs::read_to_string(self.repository.join(reference))
            && let Ok(commit) = text.trim().parse()
        {
            return Ok(Some(commit));
        }
        if !self.repository.join("packed-refs").exists() {
            return Ok(None);
        }
        let output = self.try_run(&["rev-parse", "--verify", "--quiet", "--end-of-options", reference], b"").await?;
        Ok(if output.success { output.text().parse().ok() } else { None })
    }

    /// Deletes branches whose names conflict with `branch`: `feat` with `feat/x`, and the reverse. They are copies of branches
    /// that the source no longer has, since the source cannot have both either.
    pub(super) async fn delete_conflicting_branches(&self, branch: &str) -> Result<(), Unavailable> {
        if self.has_no_conflicting_branch(branch) {
            return Ok(());
        }
        let listed = self.run(&["for-each-ref", "--format=%(refname)", "refs/heads"], b"").await?;
        for reference in String::from_utf8_lossy(&listed).lines() {
            let other = reference.strip_prefix("refs/heads/").unwrap_or(reference);
            let conflicts = branch.starts_with(&format!("{other}/")) || other.starts_with(&format!("{branch}/"));
            if conflicts && !other.starts_with(OWN_BRANCHES) {
                self.run(&["update-ref", "-d", reference], b"").await?;
            }
        }
        Ok(())
    }

    /// Whether the files of the repository already say that no branch conflicts. Every one of them is loose or packed.
    fn has_no_conflicting_branch(&self, branch: &str) -> bool {
        let heads = self.repository.join("refs/heads");
        let is_beside = |(slash, _): (usize, &str)| heads.join(&branch[..slash]).is_file();
        !self.repository.join("packed-refs").exists()
            && !branch.match_indices('/').any(is_beside)
            && !heads.join(branch).is_dir()
    }

    /// The contents of objects (`commit:path`), in their order; none for those that the commit does not have as a file.
    pub(super) async fn blobs(&self, objects: &[String]) -> Result<Vec<Option<Vec<u8>>>, Unavailable> {
        // Git reads a name per line and takes a carriage return at its end for a part of the line break.
        let is_alone = |object: &str| object.contains('\n') || object.ends_with('\r');
        let listed: Vec<&str> = objects.iter().map(String::as_str).filter(|object| !is_alone(object)).collect();
        let mut answers = Vec::new();
        if !listed.is_empty() {
            let output = self.run(&["cat-file", "--batch"], (listed.join("\n") + "\n").as_bytes()).await?;
            answers = batch(&output).filter(|answers| answers.len() == listed.len()).ok_or_else(|| {
                Unavailable::new(Dependency::Forge, "git cat-file: its answer cannot be read".to_owned())
            })?;
        }
        let mut answers = answers.into_iter();
        let mut contents = Vec::with_capacity(objects.len());
        for object in objects {
            contents.push(if is_alone(object) {
                let output = self.try_run(&["cat-file", "blob", object], b"").await?;
                output.success.then_some(output.stdout)
            } else {
                answers.next().flatten()
            });
        }
        Ok(contents)
    }

    /// Moves a branch from `expected` (none for a new branch) to `commit`. Returns false when the branch is elsewhere.
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
        let output = self.try_run(&["update-ref", &reference, commit.as_str(), old], b"").await?;
        if output.success {
            return Ok(true);
        }
        if self.resolve(&reference).await?.as_ref() == expected {
            return Err(output.error("update-ref"));
        }
        Ok(false)
    }
}

/// What `git cat-file --batch` answered, per object: the content of a file, or none. None when it is no such answer.
fn batch(mut output: &[u8]) -> Option<Vec<Option<Vec<u8>>>> {
    let mut contents = Vec::new();
    while !output.is_empty() {
        let end = output.iter().position(|byte| *byte == b'\n')?;
        let (line, rest) = (str::from_utf8(&output[..end]).ok()?, &output[end + 1..]);
        output = rest;
        // `<object> <type> <bytes>`, and the content; or the name, which may contain spaces, and ` missing`.
        let words: Vec<&str> = line.split(' ').collect();
        if line.ends_with(" missing") {
            contents.push(None);
            continue;
        }
        let [_, kind, bytes] = words.as_slice() else { return None };
        let bytes: usize = bytes.parse().ok()?;
        contents.push((*kind == "blob").then(|| rest.get(..bytes).map(<[u8]>::to_vec)).flatten());
        // A line break follows the content.
        output = rest.get(bytes + 1..)?;
    }
    Some(contents)
}

/// Variables that redirect git to another repository. Git hooks and some dotfile managers leave them in the environment.
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

/// git without the user's and the system's configuration, for the forge's own repositories.
pub(super) fn command() -> Command {
    let mut command = command_as_configured();
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    command.env_remove("GIT_CONFIG_PARAMETERS").env_remove("GIT_CONFIG_COUNT");
    command
}

/// git with the user's configuration, which may hold proxies and credentials for an address. Runs no hooks, asks no questions,
/// and gives up on a server that sends less than a byte per second for 30 seconds.
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

/// Runs a command to its end. An error means that it could not be started or waited for.
pub(super) async fn run(mut command: Command, stdin: &[u8]) -> Result<GitOutput, Unavailable> {
    let failed = |error| Unavailable::new(Dependency::Forge, error);
    let input = if stdin.is_empty() { Stdio::null() } else { Stdio::piped() };
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let mut input = child.stdin.take();
    let write = async {
        if let Some(pipe) = &mut input {
            // When git fails it may stop reading, which breaks the pipe. Its exit code reports the failure.
            let _ = pipe.write_all(stdin).await;
        }
        drop(input);
    };
    let ((), output) = tokio::join!(write, child.wait_with_output());
    let output = output.map_err(failed)?;
    Ok(GitOutput {
        success: output.status.success(),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
