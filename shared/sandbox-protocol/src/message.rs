//! The messages, each the header of a frame.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::exec::{ByteRange, Exec, Listed, Progress, Started, Stream};

/// The version of the protocol. To be raised with every change after which one side would misread the other.
pub const PROTOCOL_VERSION: u32 = 1;

/// The supervisor's first message on a connection. This one keeps its two numbers in every version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    pub protocol: u32,
    /// [`toolbox::VERSION`] of the toolbox in the sandbox.
    pub toolbox: u32,
    /// Absent when a supervisor of another version says something else here.
    #[serde(default)]
    pub layout: Layout,
}

impl Greeting {
    /// A greeting of this version.
    pub fn new(layout: Layout) -> Self {
        Self { protocol: PROTOCOL_VERSION, toolbox: toolbox::VERSION, layout }
    }
}

/// Absolute paths, as commands in the sandbox see them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Layout {
    /// The checkout.
    pub workspace: String,
    /// `HOME`.
    pub home: String,
    /// Temporary files.
    pub temporary: String,
    /// Stored outputs of commands: `<exec id>/stdout`, read-only.
    pub outputs: String,
    /// The repository to clone from, when it is a directory of the host; read-only.
    pub source: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the client, unique on its connection.
    pub id: u64,
    pub call: Call,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Starts a command unless its id is known. The body is its standard input, or the call of the toolbox.
    Start {
        exec: Exec,
    },
    /// Answers when the command has ended, at the latest after `at_most`. With the end comes a body: at most `head_bytes` from
    /// the beginning of its standard output.
    Wait {
        exec: String,
        at_most: Duration,
        head_bytes: u64,
    },
    /// The answer's body is the part. It is empty at the end, and for an unknown command.
    Output {
        exec: String,
        stream: Stream,
        range: ByteRange,
    },
    /// Answers at once. Nothing happens to a command that does not run.
    Kill {
        exec: String,
    },
    List,
    /// Has the toolbox carry out the [`toolbox::Call`] in the body. The answer's body is the [`toolbox::Response`].
    Ask {
        at_most: Duration,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// That of the request.
    pub id: u64,
    pub outcome: Result<Answer, Failure>,
}

/// Under the name of its call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Start(Started),
    Wait(Progress),
    Output,
    Kill,
    List(Vec<Listed>),
    Ask,
}

/// Why a call was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub kind: FailureKind,
    pub message: String,
}

impl Failure {
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The request cannot be carried out as it is.
    Invalid,
    /// No command of this id was ever started.
    Unknown,
    /// The command was not started, and may be tried again.
    NotStarted,
    /// The machine lacks something that every command needs.
    Lacking,
    /// The toolbox's worker died during the call. The next call gets a new one.
    WorkerDied,
    /// The toolbox's worker was killed because the call took too long.
    WorkerTimedOut,
}
