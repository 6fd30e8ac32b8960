//! The port to sandboxes.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::{Dependency, ErrorCode, ExecId, Layout, RunNumber, SandboxId, SessionId, StepError, Terminal, Unavailable};

/// What a sandbox is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxSpec {
    /// The session it is for.
    pub session: SessionId,
    /// The run it is for.
    pub run: RunNumber,
    /// Which sandbox of that run: the same numbers name the same sandbox.
    pub generation: u32,
    /// A directory of ours to show read-only as [`Layout::source`]: the repository to clone from.
    pub source: Option<PathBuf>,
    /// What its network reaches.
    pub network: Network,
}

/// What a sandbox's network reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Nothing.
    #[default]
    None,
}

impl Network {
    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
        }
    }
}

/// A sandbox that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    /// Its id.
    pub id: SandboxId,
    /// Where things are inside.
    pub layout: Layout,
    /// How it falls short of whole isolation, when it does.
    pub reduced: Option<String>,
}

/// A command in a sandbox.
#[derive(Debug, Clone)]
pub struct Exec {
    /// Its name; the same name is never run twice.
    pub id: ExecId,
    /// What is run.
    pub program: Program,
    /// What it reads.
    pub stdin: Vec<u8>,
    /// Added to the sandbox's own small environment.
    pub environment: Vec<(String, String)>,
    /// Added to the environment of this command only, before any code of the repository has run.
    pub secrets: Vec<(String, SecretString)>,
    /// Where it starts.
    pub directory: String,
    /// When it is killed with all it started.
    pub timeout: Duration,
    /// Whether what it says on stderr goes where it says it.
    pub stderr: Stderr,
    /// So many bytes of each output are kept, from its beginning.
    pub kept_bytes: u64,
}

/// What is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// The toolbox.
    Toolbox,
    /// A program with its arguments, found on the sandbox's PATH.
    Command(Vec<String>),
}

/// Where stderr goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stderr {
    /// Kept by itself.
    Separate,
    /// Into stdout, in the order in which it was said.
    Merged,
}

/// What became of a call to start a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    /// It was not started before and runs now.
    New,
    /// It was started before and still runs.
    Running,
    /// It was started before and is over.
    Finished(Exit),
    /// It was started before and ended with its surroundings; how far it came is not known.
    CutOff,
}

/// How a command stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecState {
    /// It runs.
    Running,
    /// It is over.
    Finished(Exit),
    /// It ended with its surroundings; how far it came is not known.
    CutOff,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// How.
    pub status: ExitStatus,
    /// Bytes it wrote to stdout; only the first are kept.
    pub stdout_bytes: u64,
    /// Bytes it wrote to stderr; only the first are kept.
    pub stderr_bytes: u64,
    /// Processes it had left running, which were ended with it.
    pub background_ended: u32,
    /// How long it ran.
    pub wall: Duration,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// It took too long and was killed.
    TimedOut,
    /// We killed it.
    Killed,
}

/// One of a command's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The part of an output that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// This many bytes from this offset.
    From(u64, usize),
    /// At most this many of the last bytes.
    Last(usize),
}

/// Why a sandbox did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SandboxError {
    /// The sandbox is gone, with everything in it.
    #[error("the sandbox is gone: {0}")]
    Lost(String),
    /// Its provider cannot be reached, or failed.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// No sandbox can be made here.
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

/// Where commands run. A sandbox can die at any moment.
///
/// Contract:
/// - `create` with the same session, run and generation leads to the same sandbox or to an error, never to a second one.
/// - `start` is start-or-attach by exec id: a command is started once; what is known of an earlier start is told.
/// - Everything a command started ends with it; `terminate` ends and removes everything and may be repeated.
/// - The toolbox of this very version is at hand as [`Program::Toolbox`].
/// - No environment of ours is visible inside.
#[async_trait]
pub trait Sandboxes: Send + Sync {
    /// The provider's name.
    fn provider(&self) -> &'static str;

    /// Makes a sandbox.
    async fn create(&self, spec: &SandboxSpec) -> Result<Sandbox, SandboxError>;

    /// Finds a sandbox again; [`SandboxError::Lost`] when it is gone.
    async fn attach(&self, id: &SandboxId) -> Result<Sandbox, SandboxError>;

    /// Starts a command, or finds out what became of it.
    async fn start(&self, sandbox: &SandboxId, exec: &Exec) -> Result<Started, SandboxError>;

    /// How a command stands, after waiting at most `at_most` for its end.
    async fn wait(&self, sandbox: &SandboxId, exec: &ExecId, at_most: Duration) -> Result<ExecState, SandboxError>;

    /// What a command wrote, as far as it is kept; also while it runs.
    async fn output(
        &self,
        sandbox: &SandboxId,
        exec: &ExecId,
        output: Stream,
        part: ByteRange,
    ) -> Result<Vec<u8>, SandboxError>;

    /// Kills a command with all it started.
    async fn kill(&self, sandbox: &SandboxId, exec: &ExecId) -> Result<(), SandboxError>;

    /// Ends a sandbox with all that is in it.
    async fn terminate(&self, sandbox: &SandboxId) -> Result<(), SandboxError>;
}
