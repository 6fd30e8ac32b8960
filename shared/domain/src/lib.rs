#![doc = include_str!("../README.md")]

pub mod commands;
pub mod ending;
pub mod ports;
pub mod span;
pub mod state;
pub mod transcript;

pub use budget::Budget;
pub use changeset::*;
pub use error::*;
pub use event::*;
pub use frame::frame;

pub use ids::*;
pub use journal::{Journal, JournalError, read_all};
pub use json::RawJson;
pub use masking::{MASK, Masker};

pub use money::{InvalidAmount, MicroDollars};
pub use payload::*;
pub use plan::*;
pub use ports::{
    CacheLifetime, CacheMiss, CallOptions, ContentBlock, Effort, Model, ModelError, ModelLimits, ModelReply,
    ModelRequest, Purpose, ReplyDetails, ReplyPiece, StopDetails, StopReason, Usage,
};
pub use request::*;
pub use session::*;
pub use span::*;
pub use status::Status;
pub use step::*;

mod budget;
mod changeset;
mod error;
mod event;
mod frame;
mod ids;
mod journal;
mod json;
mod masking;
mod money;
mod payload;
mod plan;
mod request;
mod session;
mod status;
mod step;
