//! Conversions between the port's types and those of the sandbox crate.

use domain::ports::{Exit, ExitStatus, SandboxError, Stream};
use domain::{Dependency, ExecId, Unavailable};

pub(super) fn sandbox_error(error: sandbox::Error) -> SandboxError {
    match error {
        sandbox::Error::Lacking { .. } => SandboxError::Impossible(format!(
            "{error}. Run `backspace doctor` to see everything that is missing, or set BACKSPACE_SANDBOX=reduced to run with \
             less isolation"
        )),
        sandbox::Error::Invalid(_) => SandboxError::Impossible(error.to_string()),
        sandbox::Error::InUse { .. }
        | sandbox::Error::SetUp(_)
        | sandbox::Error::NotStarted { .. }
        | sandbox::Error::CutOff { .. }
        | sandbox::Error::Gone
        | sandbox::Error::Io { .. } => Unavailable::new(Dependency::Sandboxes, error).into(),
    }
}

pub(super) fn exit(exit: &sandbox::Exit) -> Exit {
    Exit {
        status: match exit.status {
            sandbox::Status::Exited(code) => ExitStatus::Exited(code),
            sandbox::Status::Signalled(signal) => ExitStatus::Signalled(signal),
            sandbox::Status::TimedOut => ExitStatus::TimedOut,
            sandbox::Status::Killed => ExitStatus::Killed,
        },
        stdout_bytes: exit.stdout.total_bytes,
        stderr_bytes: exit.stderr.total_bytes,
        background_ended: exit.background_ended,
        wall: exit.wall,
    }
}

pub(super) fn exec_id(id: &ExecId) -> Result<sandbox::ExecId, SandboxError> {
    sandbox::ExecId::new(id.as_str()).map_err(sandbox_error)
}

pub(super) fn stream(stream: Stream) -> sandbox::Stream {
    match stream {
        Stream::Stdout => sandbox::Stream::Stdout,
        Stream::Stderr => sandbox::Stream::Stderr,
    }
}
