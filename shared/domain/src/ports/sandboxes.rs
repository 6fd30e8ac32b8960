//! The port to the provider of sandboxes.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::{Dependency, ErrorCode, ExecId, Layout, RunNumber, SandboxId, SessionId, StepError, Terminal, Unavailable};

/// The sandbox to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxSpec {
    pub session: SessionId,
    pub run: RunNumber,
    /// Counts the sandboxes of the session. Session, run and generation are the key: with the same ones, the same sandbox is
    /// meant.
    pub generation: u32,
    /// A directory of the host that the sandbox sees read-only as [`Layout::source`]: the repository to clone from.
    pub source: Option<PathBuf>,
    pub network: Network,
}

/// What the network of a sandbox reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Nothing.
    #[default]
    None,
}

impl Network {
    /// The name in JSON and in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
        }
    }
}

/// A sandbox that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    pub id: SandboxId,
    pub layout: Layout,
    /// What its isolation lacks, in a sentence; none when it is complete.
    pub reduced: Option<String>,
}

/// A command in a sandbox.
#[derive(Debug, Clone)]
pub struct Exec {
    /// A command with the same id is never started twice in a sandbox.
    pub id: ExecId,
    pub program: Program,
    pub stdin: Vec<u8>,
    /// Added to the sandbox's own small environment.
    pub environment: Vec<(String, String)>,
    /// Added to the environment of this command only. Allowed only before any code of the repository has run in the sandbox.
    pub secrets: Vec<(String, SecretString)>,
    /// Absolute path of the working directory, inside the sandbox.
    pub directory: String,
    /// After this time the command is killed, with every process it started.
    pub timeout: Duration,
    pub stderr: Stderr,
    /// Limit of each stored output in bytes: its beginning is stored, the rest only counted.
    pub kept_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// The toolbox of this version.
    Toolbox,
    /// A program on the sandbox's `PATH`, with its arguments.
    Command(Vec<String>),
}

/// Where standard error goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stderr {
    /// Stored separately.
    Separate,
    /// Into standard output, in the order of the writes.
    Merged,
}

/// The answer to a call to start a command.
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecState {
    Running,
    Finished(Exit),
    /// It ended together with what supervised it; how far it came is unknown.
    CutOff,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    pub status: ExitStatus,
    /// Bytes written to standard output, of which [`Exec::kept_bytes`] are stored.
    pub stdout_bytes: u64,
    /// Bytes written to standard error, of which [`Exec::kept_bytes`] are stored.
    pub stderr_bytes: u64,
    /// Processes that it had left running and that were killed when it ended.
    pub background_ended: u32,
    /// Time from start to end.
    pub wall: Duration,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// With this exit code.
    Exited(i32),
    /// By this signal, which we did not send.
    Signalled(i32),
    /// Killed at [`Exec::timeout`].
    TimedOut,
    /// Killed by [`Sandboxes::kill`].
    Killed,
}

/// One of a command's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// The part of an output to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// From this offset, at most this many bytes.
    From(u64, usize),
    /// At most this many of the last bytes.
    Last(usize),
}

/// Why a call to a sandbox failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SandboxError {
    /// The sandbox is gone, with everything in it.
    #[error("the sandbox is gone: {0}")]
    Lost(String),
    /// The provider cannot be reached, or failed. The sandbox may still exist.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The provider cannot create sandboxes here, and will not be able to on a retry.
    #[error("{0}")]
    Impossible(String),
}

impl From<SandboxError> for StepError {
    fn from(error: SandboxError) -> Self {
        match error {
            SandboxError::Lost(reason) => {
                Self::Retryable(Unavailable::new(Dependency::Sandboxes, format!("the sandbox is gone: {reason}")))
            }
            SandboxError::Unavailable(unavailable) => Self::Retryable(unavailable),
            SandboxError::Impossible(message) => Self::Terminal(Terminal::new(ErrorCode::SandboxUnavailable, message)),
        }
    }
}

/// The provider of sandboxes, in which commands run.
///
/// # Contract
/// - **Callers may rely on** [`Program::Toolbox`] being the toolbox of the caller's version. They must expect
///   [`SandboxError::Lost`] from every call: a sandbox can die at any moment.
/// - **An implementation must** answer `create` with the same session, run and generation by the same sandbox or by an error,
///   never by a second sandbox; start a command once per exec id, and report what became of an earlier start; end every process
///   of a command with the command; show nothing of the host's environment inside; accept `terminate` again.
/// - **After a crash** of the caller the sandbox and its commands continue. The next process attaches to both by their ids, which
///   are in the log or follow from it.
#[async_trait]
pub trait Sandboxes: Send + Sync {
    /// The provider's name, such as `local`.
    fn provider(&self) -> &'static str;

    async fn create(&self, spec: &SandboxSpec) -> Result<Sandbox, SandboxError>;

    /// Finds a sandbox by its id; [`SandboxError::Lost`] when it is gone.
    async fn attach(&self, id: &SandboxId) -> Result<Sandbox, SandboxError>;

    /// Starts a command, or reports what became of an earlier start with the same id.
    async fn start(&self, sandbox: &SandboxId, exec: &Exec) -> Result<Started, SandboxError>;

    /// The state of a command, as soon as it has ended, at the latest after `timeout`.
    async fn wait(&self, sandbox: &SandboxId, exec: &ExecId, timeout: Duration) -> Result<ExecState, SandboxError>;

    /// The stored output of a command, also while it runs.
    async fn output(
        &self,
        sandbox: &SandboxId,
        exec: &ExecId,
        output: Stream,
        part: ByteRange,
    ) -> Result<Vec<u8>, SandboxError>;

    /// Kills a command with every process it started.
    async fn kill(&self, sandbox: &SandboxId, exec: &ExecId) -> Result<(), SandboxError>;

    /// Ends a sandbox and removes everything in it.
    async fn terminate(&self, sandbox: &SandboxId) -> Result<(), SandboxError>;
}
