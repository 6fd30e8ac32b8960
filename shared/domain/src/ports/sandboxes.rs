//! The port to the provider of sandboxes.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::io::{AsyncRead, AsyncWrite};
use serde::{Deserialize, Serialize};

use crate::{
    Dependency, ErrorCode, Network, Principal, RunNumber, SandboxId, SessionId, StepError, Terminal, Unavailable,
};

/// The sandbox to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxSpec {
    pub session: SessionId,
    /// The owner of the session.
    pub owner: Principal,
    pub run: RunNumber,
    /// Counts the sandboxes of the session. Session, run and generation are the key: with the same ones, the same sandbox is
    /// meant.
    pub generation: u32,
    /// A directory of the host that the sandbox sees read-only: the repository to clone from.
    pub source: Option<PathBuf>,
    pub network: Network,
    /// After this time the sandbox ends, whatever it does. At most [`Sandboxes::max_lifetime`].
    pub lifetime: Duration,
    pub resources: Resources,
    /// What the sandbox's file system is made from, in the provider's words; its own default when absent. A snapshot is one.
    pub image: Option<String>,
}

/// What a sandbox may use; absent is the provider's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Resources {
    pub processors: Option<u32>,
    pub memory_bytes: Option<u64>,
}

/// A host that something in a sandbox asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkRequest {
    pub host: String,
    pub port: u16,
    /// Why it was refused, in a sentence; none when it was allowed.
    pub refused: Option<String>,
}

/// A sandbox that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    pub id: SandboxId,
    pub handle: SealedHandle,
    /// What its isolation lacks, in a sentence; none when it is complete.
    pub reduced: Option<String>,
}

/// What a provider needs to find its sandbox again without asking anybody, such as addresses and access tokens. Sealed by the
/// provider: nobody else can read it, so that it may stand in the log. Empty when the id is enough.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SealedHandle(pub String);

impl SealedHandle {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for SealedHandle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SealedHandle({} bytes)", self.0.len())
    }
}

/// A byte connection to the supervisor in a sandbox.
pub trait ByteConnection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<C: AsyncRead + AsyncWrite + Send + Unpin> ByteConnection for C {}

/// A copy of a sandbox's file system, usable as [`SandboxSpec::image`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot(pub String);

/// A sandbox that a provider has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSandbox {
    pub id: SandboxId,
    /// That of [`SandboxSpec::session`].
    pub session: SessionId,
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

/// The provider of sandboxes. What happens inside one is between the supervisor there and whoever connects to it.
///
/// # Contract
/// - **Callers may rely on** a supervisor of some version answering on every connection. They must expect
///   [`SandboxError::Lost`] from every call: a sandbox can die at any moment. A supervisor of another version is a lost sandbox too.
/// - **An implementation must** answer `create` with the same session, run and generation by the same sandbox or by an error,
///   never by a second sandbox; show nothing of the host's environment inside; end the sandbox at its lifetime; accept any number
///   of connections at once, from any process; accept `terminate` again.
/// - **After a crash** of the caller the sandbox exists and its commands have a record. The next process connects with id and
///   handle, which are in the log.
#[async_trait]
pub trait Sandboxes: Send + Sync {
    /// The provider's name, such as `local`.
    fn provider(&self) -> &'static str;

    fn max_lifetime(&self) -> Duration;

    async fn create(&self, spec: &SandboxSpec) -> Result<Sandbox, SandboxError>;

    /// Connects to the supervisor; [`SandboxError::Lost`] when the sandbox is gone.
    async fn connect(&self, id: &SandboxId, handle: &SealedHandle) -> Result<Box<dyn ByteConnection>, SandboxError>;

    /// Copies the file system; none when the provider cannot.
    async fn snapshot(&self, id: &SandboxId, handle: &SealedHandle) -> Result<Option<Snapshot>, SandboxError> {
        let _ = (id, handle);
        Ok(None)
    }

    /// The hosts that were asked for since the sandbox was created, in the order of the first time: each distinct answer once, and
    /// without the first `skip` of them. Always none where the provider is not told.
    async fn network_requests(&self, id: &SandboxId, skip: u32) -> Result<Vec<NetworkRequest>, SandboxError> {
        let _ = (id, skip);
        Ok(Vec::new())
    }

    /// The sandboxes of a session, or all that were created through this port.
    async fn list(&self, session: Option<&SessionId>) -> Result<Vec<ListedSandbox>, SandboxError>;

    /// Ends a sandbox and removes everything in it.
    async fn terminate(&self, id: &SandboxId) -> Result<(), SandboxError>;
}
