//! Exit codes.

use domain::Status;

use crate::driver::DriveOutcome;

/// The exit codes, which the program's help documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// The command succeeded, or the run ended well.
    Success = 0,
    /// The run failed.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The session waits for the user.
    AwaitingUser = 3,
    /// The run was cancelled, rejected or expired.
    EndedEarly = 4,
    /// The command was not started: something is missing, or the request was refused.
    NotStarted = 5,
    /// A fault of this machine (a full disk) stopped the session. It can be resumed.
    MachineFault = 6,
    /// The run ended well, but not everything that was written is published.
    WorkLeftOut = 7,
    /// Ctrl-C. The session can be resumed.
    Interrupted = 130,
}

impl ExitCode {
    /// `left_out` are the written files that the run did not publish.
    pub fn of(outcome: DriveOutcome, left_out: &[String]) -> Self {
        match outcome {
            DriveOutcome::Ended(Status::Done | Status::Nothing) if !left_out.is_empty() => Self::WorkLeftOut,
            DriveOutcome::AwaitingUser => Self::AwaitingUser,
            DriveOutcome::Interrupted => Self::Interrupted,
            DriveOutcome::Ended(Status::Done | Status::Nothing) => Self::Success,
            DriveOutcome::Ended(Status::Cancelled | Status::Rejected | Status::Expired) => Self::EndedEarly,
            DriveOutcome::Ended(
                Status::Failed
                | Status::Queued
                | Status::Preparing
                | Status::Planning
                | Status::Working
                | Status::Waiting
                | Status::AwaitingUser
                | Status::Verifying
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
