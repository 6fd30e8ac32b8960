#![doc = include_str!("../README.md")]

pub mod commands;
pub mod ports;
pub mod run_outcome;
pub mod span;
pub mod state;
pub mod text;
pub mod transcript;

pub use account::*;
pub use budget::{Budget, Reached};
pub use changeset::*;
pub use checkpoint::{Checkpoint, CheckpointContent, KeptChange, KeptFile};
pub use error::*;
pub use event::*;
pub use invisible::name_invisible;
pub use public_event::public_event;

pub use admission_queue::*;
pub use ids::*;
pub use json::RawJson;
pub use redaction::{REDACTED, Redactor};
pub use session_log::{SessionLog, SessionLogError, read_all};
pub use session_log_cache::SessionLogCache;

pub use money::{InvalidAmount, MicroDollars};
pub use payload::*;
pub use plan::*;
pub use ports::{
    CacheLifetime, CacheMiss, CallOptions, ContentBlock, Effort, KeyBinding, Model, ModelError, ModelLimits,
    ModelReply, ModelRequest, ReplyDetails, ReplyPiece, StopDetails, StopReason, Usage,
};
pub use request::*;
pub use session::*;
pub use span::*;
pub use status::Status;
pub use step::*;
pub use summary::summary_of;

mod account;
mod admission_queue;
mod budget;
mod changeset;
mod checkpoint;
mod error;
mod event;
mod ids;
mod invisible;
mod json;
mod money;
mod payload;
mod plan;
mod public_event;
mod redaction;
mod request;
mod session;
mod session_log;
mod session_log_cache;
mod status;
mod step;
mod summary;
