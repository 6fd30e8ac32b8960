//! The ports: traits by which the domain reaches the outside systems.
//!
//! Each has its contract in the same three parts: what callers may rely on, what an implementation must keep, and what holds
//! after a crash between two calls. The suites in `tests/all/contracts` check implementations against it.
//!
//! All are traits of `&self` methods that are safe to call from several tasks at once. Dropping a future gives up waiting for
//! the call; whether it took effect is then unknown, unless the contract says more.

mod accounts;
mod blobs;
mod clock;
mod event_log;
mod forge;
mod ids;
mod live_text;
mod model;
mod reservations;
mod sandboxes;
mod secrets;
mod sessions;
mod traces;
mod workflows;

pub use accounts::Accounts;
pub use blobs::{BlobError, Blobs, load_text, store_text};
pub use clock::{Clock, elapsed};
pub use event_log::{
    AppendError, CorruptLog, EventLog, MAX_INLINE_BATCH_BYTES, Page, ReadError, load_batch, read_all, store_batch,
};
pub use forge::{
    CloneSource, CommitAuthor, Forge, ForgeError, Publication, Published, PullRequest, PullRequestText, Readiness,
    Repository,
};
pub use ids::Ids;
pub use live_text::{LiveReply, LiveText, MAX_LIVE_BYTES};
pub use model::{
    CacheLifetime, CacheMiss, CallOptions, Effort, Model, ModelError, ModelLimits, ModelReply, ModelRequest,
    ReplyDetails, ReplyPiece, StopDetails, WindowCount,
};
pub use reservations::Reservations;
pub use sandboxes::{
    ByteConnection, ListedSandbox, NetworkRequest, Resources, Sandbox, SandboxError, SandboxSpec, Sandboxes,
    SealedHandle, Snapshot,
};
pub use secrets::{SecretName, Secrets};
pub use sessions::{KeyBinding, SessionSummary, Sessions, SnapshotRecord, all_unfinished};
pub use traces::Traces;
pub use workflows::{ExecutionState, Workflows};
