//! Git on the pristine git directory, never on the workspace's own.

pub(crate) mod base;
pub(crate) mod copy;
pub(crate) mod objects;
pub(crate) mod stage;

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use crate::error::ToolError;
use crate::text::cut;

/// Where git is looked for. The caller's environment is not asked: a repository's set-up may have changed it.
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The largest output of one git process that is read, in bytes.
const MAX_OUTPUT_BYTES: u64 = 512 << 20;

/// A git directory and the workspace it is held against.
pub(crate) struct Git {
    git_dir: PathBuf,
    workspace: PathBuf,
}

/// What a git process left.
pub(crate) struct Output {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    /// Whether it had more to say than was read.
    pub(crate) cut: bool,
}

impl Git {
    pub(crate) fn new(git_dir: PathBuf, workspace: &Path) -> Self {
        Self { git_dir, workspace: workspace.to_path_buf() }
    }

    pub(crate) fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// Git with a clean environment: no configuration but the git directory's own, no hooks, no monitor, no prompt, no
    /// pager. What is set on the command line outweighs any configuration.
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

    /// Runs git to its end, or to the limit of its output.
    pub(crate) fn run(&self, arguments: &[&str], input: &[u8], limit: u64) -> Result<Output, ToolError> {
        let name = arguments.first().copied().unwrap_or_default();
        run(self.command(arguments), input, limit)
            .map_err(|error| ToolError::Git { command: name.to_owned(), message: error.to_string() })
    }

    /// Runs git, and fails when it does or says more than can be read.
    pub(crate) fn output(&self, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, ToolError> {
        let output = self.run(arguments, input, MAX_OUTPUT_BYTES)?;
        if output.code == Some(0) && !output.cut { Ok(output.stdout) } else { Err(output.failure(arguments)) }
    }
}

impl Output {
    pub(crate) fn failure(&self, arguments: &[&str]) -> ToolError {
        let command = arguments.first().copied().unwrap_or_default().to_owned();
        let message = if self.cut { "it said more than can be read".to_owned() } else { self.complaint() };
        ToolError::Git { command, message }
    }

    /// The first line that git wrote to standard error, without its label.
    pub(crate) fn complaint(&self) -> String {
        let (text, _) = cut::decode(&self.stderr);
        let line = text.lines().next().unwrap_or("it ended without a message");
        let line = line.strip_prefix("error: ").or_else(|| line.strip_prefix("fatal: ")).unwrap_or(line);
        cut::line(line, 300)
    }
}

fn run(mut command: Command, input: &[u8], limit: u64) -> io::Result<Output> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    // Git may fill one pipe while another is waited for, so each has its reader or writer.
    let (stdout, stderr) = thread::scope(|scope| {
        scope.spawn(move || {
            // Git may end without reading everything; its exit code tells whether that was a failure.
            let _ = stdin.map(|mut stdin| stdin.write_all(input));
        });
        let stderr = scope.spawn(move || read_to(stderr, 64 << 10, Excess::Drain));
        let stdout = read_to(stdout, limit, Excess::Leave);
        (stdout, stderr.join().unwrap_or_else(|_| Ok((Vec::new(), false))))
    });
    let (stdout, cut) = stdout?;
    let (stderr, _) = stderr?;
    let status = child.wait()?;
    Ok(Output { code: status.code(), stdout, stderr, cut })
}

/// What becomes of output beyond the limit.
enum Excess {
    /// Read and thrown away, so that the process can go on.
    Drain,
    /// Left in the pipe, whose end makes the process stop.
    Leave,
}

fn read_to(stream: Option<impl Read>, limit: u64, excess: Excess) -> io::Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    let Some(mut stream) = stream else { return Ok((bytes, false)) };
    stream.by_ref().take(limit).read_to_end(&mut bytes)?;
    let cut = match excess {
        Excess::Drain => io::copy(&mut stream, &mut io::sink())? > 0,
        Excess::Leave => stream.read(&mut [0])? > 0,
    };
    Ok((bytes, cut))
}
