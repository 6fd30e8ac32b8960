use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Failure;

/// Where an execution stands: all that is needed to go on with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Position {
    /// The execution's input.
    pub input: Value,
    /// When the execution began.
    pub started_at: Timestamp,
    /// In a state, or at the end.
    pub place: Place,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A state is about to be entered, is at work, or waits for its next try.
    In(StateEntry),
    /// The execution is over.
    Ended(End),
}

/// One visit of a state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateEntry {
    /// The state's name.
    pub state: String,
    /// The state's raw input.
    pub input: Value,
    /// When it was entered. A Wait counts from here.
    pub entered_at: Timestamp,
    /// How often each entry of Retry was used in this visit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retries: Vec<u32>,
    /// When the next try begins; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// The token of the current try, for a task that is completed by one. It stays the same when the execution is
    /// resumed. A secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl StateEntry {
    /// How often the state was tried before the current try.
    pub fn retry_count(&self) -> u32 {
        self.retries.iter().fold(0, |sum, retries| sum.saturating_add(*retries))
    }

    /// When the current try begins or began.
    pub fn tried_at(&self) -> Timestamp {
        self.retry_at.unwrap_or(self.entered_at)
    }
}

/// How an execution ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum End {
    Succeeded {
        output: Value,
    },
    /// A Fail state, an error that nothing caught, or (`States.Timeout`) the machine's own time-out.
    Failed(Failure),
    /// Stopped from outside.
    Aborted(Failure),
}
