#![doc = include_str!("../README.md")]

pub mod stream_kinds;

pub use access::{AccessPolicy, AnonymousAccess, Caller, Hosts};
pub use api::Api;
pub use error::{ApiError, Code};
pub use html::escape;
pub use limits::Limits;
pub use negotiation::prefers_html;
pub use router::router;

mod access;
mod api;
mod body;
mod error;
mod html;
mod idempotency;
mod limits;
mod negotiation;
mod router;
mod routes;
mod stream;
mod view;
