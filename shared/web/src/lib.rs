#![doc = include_str!("../README.md")]

pub use api::{Api, Limits, router};
pub use door::{Caller, Door, Hosts, Strangers};
pub use error::{ApiError, Code};
pub use negotiation::prefers_html;
pub use page::escaped;
pub use stream::Shutdown;

mod api;
mod body;
mod door;
mod error;
mod negotiation;
mod page;
mod routes;
mod stream;
mod view;
