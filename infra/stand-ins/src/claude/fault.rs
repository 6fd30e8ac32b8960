//! Faults that a script can ask for.

use std::collections::HashMap;

use serde::Deserialize;

use super::digest::ShortHash;

/// A fault of one reply.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    /// How many times in one conversation the fault occurs before the reply is sent.
    #[serde(default = "once")]
    times: u32,
    /// For `status`: the HTTP status. For `errorEvent` and `errorObject`: the status whose `error.type` is sent; 529 by default.
    status: Option<u16>,
    /// For `status`, `errorEvent` and `errorObject`: the message of the error.
    pub(crate) message: Option<String>,
    /// For `status` and `errorObject`: the header `retry-after`, in seconds.
    pub(crate) retry_after: Option<f64>,
    /// For `status` and `errorObject`: the header `retry-after` as a date, this many seconds after the answer's `date`.
    pub(crate) retry_after_date: Option<u32>,
    /// For `window`: the size of the model's context window, in tokens.
    window_tokens: Option<u64>,
    /// For `status`: the header `x-should-retry`.
    pub(crate) should_retry: Option<bool>,
    /// For `slowFirstByte`: the delay; five seconds by default.
    pub(crate) seconds: Option<f64>,
    /// For faults in mid-stream: the number of events before the fault; half of them by default.
    pub(crate) after_pieces: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum FaultKind {
    /// An HTTP error instead of the reply.
    Status,
    /// An answer with the status 200 whose body is an error instead of an event stream.
    ErrorObject,
    /// Prompt and `max_tokens` are refused, however often, while together they exceed the model's window.
    Window,
    /// An error event in mid-stream.
    ErrorEvent,
    /// The connection is aborted in mid-stream.
    Cut,
    /// The stream stops, but the connection stays open.
    Stall,
    /// The answer is delayed.
    SlowFirstByte,
    /// The stream arrives in pieces that end within characters.
    SplitUtf8,
    /// An event of an unknown type follows each event.
    UnknownEvent,
    /// The connection is aborted before an answer.
    HangUp,
}

fn once() -> u32 {
    1
}

impl Fault {
    pub(crate) fn check(&self) -> Result<(), String> {
        match (self.kind, self.status) {
            (FaultKind::Status, None) => Err("has a fault of kind `status` without a `status`".to_owned()),
            (FaultKind::Status, Some(status)) if !(300..600).contains(&status) => {
                Err(format!("has a fault whose status {status} is not between 300 and 599"))
            }
            (FaultKind::Window, _) if self.window_tokens.is_none() => {
                Err("has a fault of kind `window` without `windowTokens`".to_owned())
            }
            _ if self.seconds.is_some_and(|seconds| !(0.0..=3600.0).contains(&seconds)) => {
                Err("has a fault whose `seconds` are not between 0 and 3600".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// The HTTP status of the error, or the one that belongs to its type.
    pub(crate) fn status(&self) -> u16 {
        self.status.unwrap_or(529)
    }

    /// The service's words when a prompt and `max_tokens` together exceed the window.
    pub(crate) fn refused_sum(&self, prompt_tokens: u64, max_tokens: u64) -> Option<String> {
        let window = self.window_tokens.filter(|window| prompt_tokens + max_tokens > *window)?;
        Some(format!(
            "input length and `max_tokens` exceed context limit: {prompt_tokens} + {max_tokens} > {window}, decrease input \
             length or `max_tokens` and try again"
        ))
    }
}

/// How many times the fault of each turn of each conversation has occurred.
#[derive(Default)]
pub(crate) struct FaultCounts(HashMap<ShortHash, u32>);

impl FaultCounts {
    /// Whether a fault occurs once more at this turn; if so, it is counted.
    pub(crate) fn occurs(&mut self, fault: &Fault, turn: ShortHash) -> bool {
        let count = self.0.entry(turn).or_default();
        let occurs = *count < fault.times;
        *count += u32::from(occurs);
        occurs
    }
}
