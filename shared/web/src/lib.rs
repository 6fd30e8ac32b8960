#![doc = include_str!("../README.md")]

pub use access::{AccessPolicy, AnonymousAccess, Caller, Hosts};
pub use api::{Api, Limits, router};
pub use error::{ApiError, Code};
pub use negotiation::prefers_html;
pub use page::escaped;
pub use stream::Shutdown;

mod access;
mod api;
mod body;
mod error;
mod negotiation;
mod page;
mod routes;
mod stream;
mod view;
