use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Failure;

/// The stored state of an execution: everything that another process needs to resume it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Position {
    /// The execution's input.
    pub input: Value,
    pub started_at: Timestamp,
    // Stored positions call it `place`.
    #[serde(rename = "place")]
    pub progress: Progress,
}

/// How far an execution has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// The state is about to be entered, is running, or waits for its next attempt.
    In(StateEntry),
    /// The execution is over.
    Ended(End),
}

/// One entry into a state, with all its attempts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateEntry {
    /// The state's name.
    pub state: String,
    /// The state's raw input, before `InputPath`.
    pub input: Value,
    /// When the state was entered. A Wait counts from here.
    pub entered_at: Timestamp,
    /// Retries used so far, for each entry of the state's `Retry` list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retries: Vec<u32>,
    /// When the next attempt begins; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// The token of the current attempt, for a callback task. A resumed execution keeps it. A secret: whoever knows it
    /// can complete the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl StateEntry {
    /// The number of attempts before the current one.
    pub fn retry_count(&self) -> u32 {
        self.retries.iter().fold(0, |sum, retries| sum.saturating_add(*retries))
    }

    /// When the current attempt begins or began.
    pub fn attempted_at(&self) -> Timestamp {
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
    /// A Fail state, an error that no Catch matched, or (`States.Timeout`) the machine's own time-out.
    Failed(Failure),
    /// [`Interpreter::stop`](crate::Interpreter::stop) ended it.
    Aborted(Failure),
}
