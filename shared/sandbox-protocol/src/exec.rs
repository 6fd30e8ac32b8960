//! Commands in a sandbox and what becomes of them.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A command to run in a sandbox. Its standard input, or the call of the toolbox, travels as the body of the request.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exec {
    /// A command with the same id is never started twice in a sandbox. 1 to 100 ASCII letters, digits, `.`, `_` and `-`, the
    /// first one a letter or a digit.
    pub id: String,
    pub program: Program,
    /// Added to the sandbox's own small environment. May hold a secret as long as no code of the repository has run.
    pub environment: Vec<(String, String)>,
    /// Absolute path of the working directory, inside the sandbox; the workspace when absent.
    pub directory: Option<String>,
    /// After this time the command is killed, with every process it started.
    pub timeout: Duration,
    pub stderr: Stderr,
    /// Limit of each stored output in bytes: its beginning is stored, and a little of its end; the rest is only counted.
    pub kept_bytes: u64,
}

impl Exec {
    /// A command with the sandbox's own environment, separate outputs, 10 minutes and 10 MB of each output.
    pub fn new(id: impl Into<String>, program: Program) -> Self {
        Self {
            id: id.into(),
            program,
            environment: Vec::new(),
            directory: None,
            timeout: Duration::from_secs(600),
            stderr: Stderr::Separate,
            kept_bytes: 10_000_000,
        }
    }
}

/// Without the values of the environment, which may be secrets.
impl fmt::Debug for Exec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.environment.iter().map(|(name, _)| name.as_str()).collect();
        formatter
            .debug_struct("Exec")
            .field("id", &self.id)
            .field("program", &self.program)
            .field("environment", &names)
            .field("directory", &self.directory)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Program {
    /// A program on the sandbox's `PATH`, with its arguments.
    Command(Vec<String>),
    /// An operation of the toolbox, recorded like a command. The body of the request is the [`toolbox::Call`]; the standard output
    /// is the [`toolbox::Response`].
    Toolbox,
}

/// Where standard error goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stderr {
    /// Stored separately.
    Separate,
    /// Into standard output, in the order of the writes.
    Merged,
}

/// The answer to a call to start a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Started {
    /// It was started by this call.
    New,
    /// It was started before and still runs.
    Running,
    /// It was started before and has ended.
    Finished(Exit),
    /// It was started before and ended together with what supervised it; how far it came is unknown.
    CutOff,
}

/// The state of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    Running,
    Finished(Exit),
    /// It ended together with what supervised it; how far it came is unknown.
    CutOff,
}

/// A command that the sandbox has a record of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    pub id: String,
    pub progress: Progress,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    pub status: ExitStatus,
    /// The limit that something of it reached.
    #[serde(default)]
    pub limit: Option<LimitReached>,
    /// Bytes written to standard output, of which [`Exec::kept_bytes`] are stored.
    pub stdout_bytes: u64,
    /// Bytes written to standard error, of which [`Exec::kept_bytes`] are stored.
    pub stderr_bytes: u64,
    /// Processes that it had left running and that were killed when it ended.
    pub background_ended: u32,
    /// Time from start to end.
    pub wall: Duration,
    /// Processor time of all its processes.
    pub cpu: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitStatus {
    /// With this exit code.
    Exited(i32),
    /// By this signal, which the supervisor did not send.
    Signalled(i32),
    /// Killed at [`Exec::timeout`].
    TimedOut,
    /// Killed by a client.
    Killed,
}

/// A limit that ended a command, or a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitReached {
    /// Of the sandbox as a whole.
    Memory,
    /// Of the sandbox as a whole.
    Sockets,
    /// Space on the disk, of the sandbox as a whole.
    DiskSpace,
    /// Number of files, of the sandbox as a whole.
    DiskFiles,
    ProcessorTime,
    /// Of one file.
    FileSize,
}

/// One of a command's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output, or both when merged.
    Stdout,
    Stderr,
}

/// The part of an output to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ByteRange {
    /// From this offset, at most this many bytes of the stored beginning.
    From(u64, u64),
    /// At most this many of the last bytes.
    Last(u64),
}
