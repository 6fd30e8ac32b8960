//! The identity of an invocation: which delivery of which entry into a step's state it is.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Maximum length of an [`EnteredTime`], in bytes. It is stored in the log, and Step Functions writes 24.
const MAX_ENTERED_BYTES: usize = 64;

/// When the workflow entered the state of a step, in its own words (`$$.State.EnteredTime`).
///
/// An identity and never an order: clocks step back. That is why it is a text that can be compared for equality only. Which of
/// two entries is the later one is decided by the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EnteredTime(Arc<str>);

/// The text is empty or too long for a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the time at which a state was entered must have 1 to {MAX_ENTERED_BYTES} bytes")]
pub struct InvalidEnteredTime;

impl TryFrom<String> for EnteredTime {
    type Error = InvalidEnteredTime;

    fn try_from(text: String) -> Result<Self, InvalidEnteredTime> {
        if (1..=MAX_ENTERED_BYTES).contains(&text.len()) { Ok(Self(text.into())) } else { Err(InvalidEnteredTime) }
    }
}

impl From<EnteredTime> for String {
    fn from(time: EnteredTime) -> Self {
        time.0.as_ref().to_owned()
    }
}

impl fmt::Display for EnteredTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Identifies an invocation among those of its step and run. Two deliveries of the same task have the same one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InvocationId {
    pub entered: EnteredTime,
    /// How often the workflow has retried the task since it entered the state. Of two invocations of the same entry, the one
    /// with more retries is the newer.
    pub retry: u32,
}
