#![doc = include_str!("../README.md")]

pub use collected::Collected;
pub use collector::{Collector, CollectorError};
pub use logs::{Format, LogsError, logs};
pub use traces::{Service, Tracing, TracingBuilder};
pub use tree::Tree;

mod collected;
mod collector;
mod export;
mod logs;
mod queue;
mod span_data;
#[cfg(test)]
mod tests;
mod traces;
mod tree;
