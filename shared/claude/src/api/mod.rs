//! The Messages API: what a request says and what a reply means.

pub use client::Client;

mod assembly;
mod block;
mod body;
mod cache_breakpoints;
mod client;
mod model_list;
mod object;
mod reply;
mod stream;
mod usage;
