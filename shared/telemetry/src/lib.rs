#![doc = include_str!("../README.md")]

pub use collector::{Collector, CollectorError};
pub use logs::{Format, LogsError, logs};
pub use traces::{Service, Tracing, TracingBuilder};
pub use tree::Tree;

mod collector;
mod exporter;
mod logs;
mod queue;
mod span_data;
#[cfg(test)]
mod tests;
mod traces;
mod tree;
