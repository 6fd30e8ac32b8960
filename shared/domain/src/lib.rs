#![doc = include_str!("../README.md")]

pub mod commands;
pub mod ending;
pub mod ports;
pub mod span;
pub mod state;
pub mod transcript;

pub use account::*;
pub use budget::{Budget, Reached};
pub use changeset::*;
pub use checkpoint::{Checkpoint, CheckpointContent, KeptChange, KeptFile};
pub use error::*;
pub use event::*;
pub use frame::frame;
pub use hidden::name_hidden;

pub use ids::*;
pub use journal::{Journal, JournalError, read_all};
pub use journals::Journals;
pub use json::RawJson;
pub use ledger::*;
pub use masking::{MASK, Masker};

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
mod budget;
mod changeset;
mod checkpoint;
mod error;
mod event;
mod frame;
mod hidden;
mod ids;
mod journal;
mod journals;
mod json;
mod ledger;
mod masking;
mod money;
mod payload;
mod plan;
mod request;
mod session;
mod status;
mod step;
mod summary;
