//! Between the protocol's types and the engine's.

use std::path::Path;

use sandbox::{Error, ExecId, Limits, Status};
use sandbox_protocol::{
    Exit, ExitStatus, Failure, FailureKind, Layout, LimitReached, Progress, Started, Stderr, Stream,
};

/// Paths of a sandbox are UTF-8.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

pub(super) fn layout(layout: &sandbox::Layout, source: Option<&Path>) -> Layout {
    Layout {
        workspace: text(&layout.workspace),
        home: text(&layout.home),
        temporary: text(&layout.tmp),
        outputs: text(&layout.outputs),
        source: source.map(|source| text(&layout.inside(source))),
    }
}

pub(super) fn exec_id(id: &str) -> Result<ExecId, Failure> {
    ExecId::new(id).map_err(failure)
}

pub(super) fn failure(error: Error) -> Failure {
    let kind = match &error {
        Error::Invalid(_) => FailureKind::Invalid,
        Error::Lacking { .. } => FailureKind::Lacking,
        Error::NotStarted { .. } | Error::InUse { .. } | Error::SetUp(_) | Error::Lost(_) => FailureKind::NotStarted,
        Error::Io { .. } => FailureKind::Invalid,
    };
    Failure::new(kind, error.to_string())
}

/// `argv` is the exec's own program.
pub(super) fn command(
    exec: sandbox_protocol::Exec,
    id: ExecId,
    argv: Vec<String>,
    input: &[u8],
    limits: &Limits,
) -> sandbox::Exec {
    sandbox::Exec {
        id,
        argv,
        stdin: input.to_vec(),
        environment: exec.environment,
        working_directory: exec.directory.map(Into::into),
        timeout: exec.timeout,
        output: match exec.stderr {
            Stderr::Separate => sandbox::Output::Separate,
            Stderr::Merged => sandbox::Output::Merged,
        },
        limits: Some(Limits { output_bytes: exec.kept_bytes, ..limits.clone() }),
    }
}

pub(super) fn exit(exit: &sandbox::Exit) -> Exit {
    Exit {
        status: match exit.status {
            Status::Exited(code) => ExitStatus::Exited(code),
            Status::Signalled(signal) => ExitStatus::Signalled(signal),
            Status::TimedOut => ExitStatus::TimedOut,
            Status::Killed => ExitStatus::Killed,
        },
        limit: exit.limit.map(|limit| match limit {
            sandbox::LimitReached::Memory => LimitReached::Memory,
            sandbox::LimitReached::Sockets => LimitReached::Sockets,
            sandbox::LimitReached::DiskSpace => LimitReached::DiskSpace,
            sandbox::LimitReached::DiskFiles => LimitReached::DiskFiles,
            sandbox::LimitReached::ProcessorTime => LimitReached::ProcessorTime,
            sandbox::LimitReached::FileSize => LimitReached::FileSize,
        }),
        stdout_bytes: exit.stdout.total_bytes,
        stderr_bytes: exit.stderr.total_bytes,
        background_ended: exit.background_ended,
        wall: exit.wall,
        cpu: exit.cpu,
    }
}

pub(super) fn started(found: &sandbox::Found) -> Started {
    match found {
        sandbox::Found::Started => Started::New,
        sandbox::Found::Running => Started::Running,
        sandbox::Found::Finished(ended) => Started::Finished(exit(ended)),
        sandbox::Found::CutOff => Started::CutOff,
    }
}

/// `None` for what was never started.
pub(super) fn progress(progress: &sandbox::Progress) -> Option<Progress> {
    match progress {
        sandbox::Progress::Absent => None,
        sandbox::Progress::Running => Some(Progress::Running),
        sandbox::Progress::Finished(ended) => Some(Progress::Finished(exit(ended))),
        sandbox::Progress::CutOff => Some(Progress::CutOff),
    }
}

pub(super) fn stream(stream: Stream) -> sandbox::Stream {
    match stream {
        Stream::Stdout => sandbox::Stream::Stdout,
        Stream::Stderr => sandbox::Stream::Stderr,
    }
}
