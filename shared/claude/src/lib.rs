#![doc = include_str!("../README.md")]

pub use assembly::INCOMPLETE_INPUT;
pub use catalogue::{Catalogue, CatalogueError};
pub use client::Client;
pub use configuration::{API_VERSION, Configuration, ConfigurationError, Credential, Proxies, extra_headers};

mod assembly;
mod block;
mod body;
mod cache_breakpoints;
mod call;
mod catalogue;
mod client;
mod configuration;
mod lookup;
mod models;
mod object;
mod prices;
mod refusal;
mod reply;
mod retry;
mod scrubber;
mod sse;
