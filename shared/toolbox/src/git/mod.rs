//! Runs git on the pristine git directory, never on the workspace's own. `baseline` is the one exception.

pub(crate) mod base;
pub(crate) mod copy;
pub(crate) mod object_store;
pub(crate) mod objects;

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use crate::error::ToolError;
use crate::text::cut;

/// Where git is searched for. The caller's `PATH` is not used, because a repository's set-up may have changed it.
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Maximum output of one git process, in bytes. Beyond it the operation fails.
const MAX_OUTPUT_BYTES: u64 = 512 << 20;
/// Maximum standard error of one git process that is read, in bytes.
const MAX_STDERR_BYTES: u64 = 64 << 10;
/// Maximum characters of git's message in an error.
const MAX_ERROR_CHARACTERS: usize = 300;

/// A git directory and the workspace that it is compared with.
pub(crate) struct Git {
    git_dir: PathBuf,
    workspace: PathBuf,
}

/// The result of a git process.
pub(crate) struct Output {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    /// Whether the output went on after the limit.
    pub(crate) is_cut: bool,
}

impl Git {
    pub(crate) fn new(git_dir: PathBuf, workspace: &Path) -> Self {
        Self { git_dir, workspace: workspace.to_path_buf() }
    }

    pub(crate) fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// A git command with a clean environment: no configuration except the git directory's own, no hooks, no file system
    /// monitor, no prompt and no pager. Settings on the command line override any configuration.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command
            .env_clear()
            .env("PATH", SEARCH_PATH)
            .env("HOME", "/nonexistent")
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_PAGER", "cat")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_DIR", &self.git_dir)
            .env("GIT_WORK_TREE", &self.workspace)
            .args(["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.untrackedCache=false"])
            .args(arguments)
            .current_dir(&self.workspace);
        command
    }

    /// Runs git until it exits or has written `limit` bytes to standard output.
    pub(crate) fn run(&self, arguments: &[&str], input: &[u8], limit: u64) -> Result<Output, ToolError> {
        let name = arguments.first().copied().unwrap_or_default();
        run(self.command(arguments), input, limit)
            .map_err(|error| ToolError::Git { command: name.to_owned(), message: error.to_string() })
    }

    /// The standard output of git.
    ///
    /// # Errors
    /// When git fails, or writes more than [`MAX_OUTPUT_BYTES`].
    pub(crate) fn output(&self, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, ToolError> {
        let output = self.run(arguments, input, MAX_OUTPUT_BYTES)?;
        if output.code == Some(0) && !output.is_cut { Ok(output.stdout) } else { Err(output.failure(arguments)) }
    }
}

impl Output {
    pub(crate) fn failure(&self, arguments: &[&str]) -> ToolError {
        let command = arguments.first().copied().unwrap_or_default().to_owned();
        let message = if self.is_cut { "its output is too large".to_owned() } else { self.error_line() };
        ToolError::Git { command, message }
    }

    /// The first error that git wrote to standard error; its hints and warnings may come before it.
    pub(crate) fn error_line(&self) -> String {
        let (text, _) = cut::decode(&self.stderr);
        let errors = text.lines().filter_map(|line| line.strip_prefix("error: ").or(line.strip_prefix("fatal: ")));
        let line = errors.chain(text.lines()).next().unwrap_or("it wrote no message");
        cut::line(line, MAX_ERROR_CHARACTERS)
    }
}

fn run(mut command: Command, input: &[u8], limit: u64) -> io::Result<Output> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    // Git blocks when a pipe is full or empty, so each of the three has a thread of its own.
    let (stdout, stderr) = thread::scope(|scope| {
        scope.spawn(move || {
            // Git may exit without reading all of its input; its exit code says whether that was a failure.
            let _ = stdin.map(|mut stdin| stdin.write_all(input));
        });
        let stderr = scope.spawn(move || read_to(stderr, MAX_STDERR_BYTES, Excess::Drain));
        let stdout = read_to(stdout, limit, Excess::Leave);
        (stdout, stderr.join().unwrap_or_else(|_| Ok((Vec::new(), false))))
    });
    let (stdout, is_cut) = stdout?;
    let (stderr, _) = stderr?;
    let status = child.wait()?;
    Ok(Output { code: status.code(), stdout, stderr, is_cut })
}

/// What happens to output after the limit.
enum Excess {
    /// It is read and discarded, so that the process can continue.
    Drain,
    /// It is left in the pipe; closing the pipe stops the process.
    Leave,
}

fn read_to(stream: Option<impl Read>, limit: u64, excess: Excess) -> io::Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    let Some(mut stream) = stream else { return Ok((bytes, false)) };
    stream.by_ref().take(limit).read_to_end(&mut bytes)?;
    let is_cut = match excess {
        Excess::Drain => io::copy(&mut stream, &mut io::sink())? > 0,
        Excess::Leave => stream.read(&mut [0])? > 0,
    };
    Ok((bytes, is_cut))
}
