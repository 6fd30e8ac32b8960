//! The ports: what the agent needs from the outside, each with the contract that every implementation keeps.

mod accounts;
mod blobs;
mod clock;
mod event_log;
mod forge;
mod ids;
mod live_text;
mod model;
mod sandboxes;
mod secrets;
mod sessions;
mod traces;
mod workflows;

pub use accounts::Accounts;
pub use blobs::{Blobs, keep_text, text_of};
pub use clock::{Clock, elapsed};
pub use event_log::{AppendError, EventLog};
pub use forge::{
    CloneSource, CommitAuthor, Forge, ForgeError, Publication, Published, PullRequest, PullRequestText, Readiness,
    Repository,
};
pub use ids::Ids;
pub use live_text::{LiveReply, LiveText};
pub use model::{
    CacheLifetime, CacheMiss, CallOptions, Effort, Model, ModelError, ModelLimits, ModelReply, ModelRequest,
    ReplyDetails, ReplyPiece, StopDetails,
};
pub use sandboxes::{
    ByteRange, Exec, ExecState, Exit, ExitStatus, Network, Program, Sandbox, SandboxError, SandboxSpec, Sandboxes,
    Started, Stderr, Stream,
};
pub use secrets::{SecretName, Secrets};
pub use sessions::{KeyBinding, SessionSummary, Sessions};
pub use traces::Traces;
pub use workflows::{ExecutionState, Workflows};

// The log says where things are inside a sandbox, so the type is the log's.
pub use crate::Layout;
