//! Faults on demand.

use std::collections::HashMap;

use serde::Deserialize;

use super::digest::Short;

/// Something that goes wrong with a reply.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    /// How often in one conversation, before the reply comes.
    #[serde(default = "once")]
    times: u32,
    /// Of `status`: which.
    status: Option<u16>,
    /// What the error says.
    pub(crate) message: Option<String>,
    /// Of `status`: the header of this name, in seconds.
    pub(crate) retry_after: Option<f64>,
    /// Of `status`: the header `x-should-retry`.
    pub(crate) should_retry: Option<bool>,
    /// Of `slowFirstByte`: how long the answer is held; five seconds unless said.
    pub(crate) seconds: Option<f64>,
    /// Of faults in mid-stream: after how many events; half of them unless said.
    pub(crate) after_pieces: Option<usize>,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Kind {
    /// An HTTP error in place of the reply.
    Status,
    /// An error event in mid-stream.
    ErrorEvent,
    /// The connection is cut in mid-stream.
    Cut,
    /// Nothing more comes, but the connection stays.
    Stall,
    /// The reply begins late.
    SlowFirstByte,
    /// The bytes arrive cut inside characters.
    SplitUtf8,
    /// Events of a type nobody knows come between.
    UnknownEvent,
    /// The connection is cut before there is any answer.
    HangUp,
}

fn once() -> u32 {
    1
}

impl Fault {
    pub(crate) fn check(&self) -> Result<(), String> {
        match (self.kind, self.status) {
            (Kind::Status, None) => Err("has a fault that needs a `status`".to_owned()),
            (Kind::Status, Some(status)) if !(300..600).contains(&status) => {
                Err(format!("has a fault whose status {status} is no error"))
            }
            _ if self.seconds.is_some_and(|seconds| !(0.0..=3600.0).contains(&seconds)) => {
                Err("has a fault whose `seconds` are not between 0 and 3600".to_owned())
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn status(&self) -> u16 {
        self.status.unwrap_or(500)
    }
}

/// How often each fault has struck.
#[derive(Default)]
pub(crate) struct Struck(HashMap<Short, u32>);

impl Struck {
    /// Whether a fault is still to strike at this place of a conversation; counts it when it is.
    pub(crate) fn strikes(&mut self, fault: &Fault, place: Short) -> bool {
        let count = self.0.entry(place).or_default();
        let due = *count < fault.times;
        *count += u32::from(due);
        due
    }
}
