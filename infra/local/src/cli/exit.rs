//! What the program's exit code says.

use domain::Status;

use crate::driver::Stopped;

/// The exit codes, documented in the program's help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// The run ended well, or the command did what it should.
    Done = 0,
    /// The run failed.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The session waits for a person.
    AwaitingUser = 3,
    /// The run was cancelled, rejected or expired.
    Stopped = 4,
    /// It could not begin.
    NotBegun = 5,
    /// It began and stopped because of this machine (a full disk); it can be resumed.
    Broken = 6,
    /// It was interrupted and can be resumed.
    Interrupted = 130,
}

impl ExitCode {
    /// The code for where a session stands.
    pub fn of(stopped: Stopped) -> Self {
        match stopped {
            Stopped::AwaitingUser => Self::AwaitingUser,
            Stopped::Interrupted => Self::Interrupted,
            Stopped::Ended(Status::Done | Status::Nothing) => Self::Done,
            Stopped::Ended(Status::Cancelled | Status::Rejected | Status::Expired) => Self::Stopped,
            Stopped::Ended(
                Status::Failed
                | Status::Queued
                | Status::Preparing
                | Status::Planning
                | Status::Working
                | Status::Waiting
                | Status::AwaitingUser
                | Status::Publishing,
            ) => Self::Failed,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}
