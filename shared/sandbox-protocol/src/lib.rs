#![doc = include_str!("../README.md")]

pub use client::{Client, ClientError};
pub use exec::{ByteRange, Exec, Exit, ExitStatus, LimitReached, Listed, Program, Progress, Started, Stderr, Stream};
pub use frame::{Frames, MAX_BODY_BYTES, encode};
pub use message::{Answer, Call, Failure, FailureKind, Greeting, Layout, PROTOCOL_VERSION, Reply, Request};

mod client;
mod exec;
mod frame;
mod message;
