use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::LimitReached;

/// How an exec ended. Stored in the spool, so that it can be told again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// The end of the main process, or what ended it.
    pub status: Status,
    /// The limit that something of it reached; absent in records of earlier versions.
    #[serde(default)]
    pub limit: Option<LimitReached>,
    /// Standard output; with [`Output::Merged`](crate::Output::Merged), both streams.
    pub stdout: Captured,
    /// Standard error; empty when merged.
    pub stderr: Captured,
    /// Processes still alive when the main one ended; they were killed.
    pub background_ended: u32,
    /// From the start of the exec to the end of its last process.
    pub wall: Duration,
    /// Processor time of all its processes, user and system.
    pub cpu: Duration,
}

/// The end of a main process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It returned this code. As in a shell, 127 stands for a program that was not found and 126 for one that could not be
    /// run; standard error says which.
    Exited(i32),
    /// A signal ended it.
    Signalled(i32),
    /// Its time was up.
    TimedOut,
    /// A caller had it killed.
    Killed,
}

/// What became of an output stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    /// What the exec wrote.
    pub total_bytes: u64,
    /// What is kept from the start of the stream.
    pub kept_bytes: u64,
    /// What is kept from its end, apart from the start.
    pub tail_bytes: u64,
    /// What is kept nowhere: the gap between the two.
    pub dropped: u64,
}
