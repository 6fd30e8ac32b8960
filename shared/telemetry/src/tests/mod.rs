//! Through the public surface: spans in at one end, requests or text out at the other.

mod collector;
mod delivery;
mod logs;
mod queue;
mod receiver;
mod spans;
mod tree;
