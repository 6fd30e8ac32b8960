//! Tests that emit spans and check the requests or the text that come of them.

mod collector;
mod delivery;
mod logs;
mod queue;
mod spans;
mod test_collector;
mod tree;
