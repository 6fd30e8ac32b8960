//! Calls of the toolbox in the sandbox: those of the model, which are recorded there and run once, and those of the steps.

use std::time::Duration;

use domain::ExecId;
use domain::ports::elapsed;
use sandbox_protocol::{ByteRange, Exec, Exit, ExitStatus, Program, Stream};
use toolbox::ErrorKind;

use super::{ExecOutcome, Workspace, WorkspaceError, answered_in};
use crate::context::{Context, internal};

/// Time limit of a call that this program makes for itself, not for the model.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A call whose worker died is repeated once, unless the first attempt took longer: it would take as long again.
const MAX_TIME_TO_REPEAT: Duration = Duration::from_secs(20);

/// Maximum size of the toolbox's answer to one call. The largest is a whole change in base64.
const MAX_ANSWER_BYTES: u64 = 100 * 1024 * 1024;

/// The outcome of a call that is recorded in the sandbox.
pub(crate) enum RecordedCall {
    /// The inner error is the toolbox's own: the call failed.
    Answered(Box<Result<toolbox::Answer, toolbox::Failure>>),
    /// The worker that carried it out died, or was killed at the time limit or by a cancel.
    Ended(ExitStatus),
    CutOff,
    Running,
}

impl Workspace {
    /// Carries out a call at most once per id, and waits at most `wait` for its end. A repeated call joins the first one, or reads
    /// its answer.
    pub(crate) async fn recorded_call(
        &self,
        id: &ExecId,
        call: &toolbox::Call,
        timeout: Duration,
        wait: Duration,
    ) -> Result<RecordedCall, WorkspaceError> {
        let input = serde_json::to_vec(call).map_err(internal)?;
        let exec = Exec { timeout, kept_bytes: MAX_ANSWER_BYTES, ..Exec::new(id.as_str(), Program::Toolbox) };
        match self.run(exec, &input, wait, MAX_ANSWER_BYTES).await? {
            ExecOutcome::Finished(Exit { status: ExitStatus::Exited(0), .. }, answer) => {
                Ok(RecordedCall::Answered(Box::new(toolbox::Response::parse(&answer))))
            }
            ExecOutcome::Finished(exit, _) => Ok(RecordedCall::Ended(exit.status)),
            ExecOutcome::CutOff => Ok(RecordedCall::CutOff),
            ExecOutcome::Running => Ok(RecordedCall::Running),
        }
    }

    /// Carries out a call for a step. One whose worker died is repeated once: what killed it, such as the want of memory, may be
    /// over, and every call that is made this way can be made twice.
    pub(super) async fn toolbox(
        &self,
        context: &Context,
        name: &str,
        call: &toolbox::Call,
    ) -> Result<toolbox::Answer, WorkspaceError> {
        let start = context.common.clock.now();
        let ask = || context.in_span(format!("sandbox {name}"), self.ask(call));
        let answer = match ask().await {
            Err(WorkspaceError::Toolbox(_)) if elapsed(start, context.common.clock.now()) < MAX_TIME_TO_REPEAT => {
                ask().await?
            }
            answer => answer?,
        };
        answer.map_err(|failure| failed(name, &failure))
    }

    /// Carries out a call for a step at most once per `id`: a repeated step joins it, or reads its answer.
    pub(super) async fn toolbox_once(
        &self,
        context: &Context,
        name: &str,
        call: &toolbox::Call,
    ) -> Result<toolbox::Answer, WorkspaceError> {
        let id = name.parse().map_err(internal)?;
        let running = self.recorded_call(&id, call, TIMEOUT, TIMEOUT + Duration::from_secs(5));
        match context.in_span(format!("sandbox {name}"), running).await? {
            RecordedCall::Answered(answer) => answer.map_err(|failure| failed(name, &failure)),
            RecordedCall::Ended(status) => Err(WorkspaceError::Toolbox(format!("{name}: no answer: {status:?}"))),
            RecordedCall::CutOff => Err(WorkspaceError::SandboxLost(format!("{name} was cut off"))),
            RecordedCall::Running => Err(WorkspaceError::Toolbox(format!("{name} exceeded its time limit"))),
        }
    }

    async fn ask(&self, call: &toolbox::Call) -> Result<Result<toolbox::Answer, toolbox::Failure>, WorkspaceError> {
        answered_in(TIMEOUT, self.supervisor.ask(call, TIMEOUT)).await
    }

    /// Runs a command of this program to its end, and returns its output. The text of the error names it.
    pub(super) async fn run_command(&self, exec: Exec, name: &str) -> Result<Vec<u8>, WorkspaceError> {
        let (id, kept_bytes) = (exec.id.clone(), exec.kept_bytes);
        let exec = Exec { timeout: TIMEOUT, ..exec };
        match self.run(exec, &[], TIMEOUT + Duration::from_secs(5), kept_bytes).await? {
            ExecOutcome::Finished(Exit { status: ExitStatus::Exited(0), .. }, output) => Ok(output),
            ExecOutcome::Finished(exit, _) => {
                let id: ExecId = id.parse().map_err(internal)?;
                let stderr = self.output(&id, Stream::Stderr, ByteRange::Last(1000)).await?;
                let stderr = String::from_utf8_lossy(&stderr);
                let message = format!("{name} failed: {:?}: {}", exit.status, stderr.trim());
                Err(WorkspaceError::Step(internal(message)))
            }
            ExecOutcome::CutOff => Err(WorkspaceError::SandboxLost(format!("{name} was cut off"))),
            ExecOutcome::Running => Err(WorkspaceError::Step(internal(format!("{name} exceeded its time limit")))),
        }
    }
}

fn failed(name: &str, failure: &toolbox::Failure) -> WorkspaceError {
    match failure.kind {
        // The sandbox was made by another version of this program, or the toolbox's records are damaged. A new sandbox has
        // neither problem.
        ErrorKind::Version | ErrorKind::NoBase => WorkspaceError::SandboxLost(format!("{name}: {}", failure.message)),
        ErrorKind::Protocol
        | ErrorKind::Path
        | ErrorKind::Missing
        | ErrorKind::WrongType
        | ErrorKind::Unseen
        | ErrorKind::NoMatch
        | ErrorKind::Ambiguous
        | ErrorKind::Range
        | ErrorKind::TooLarge
        | ErrorKind::Invalid
        | ErrorKind::Git
        | ErrorKind::Io => WorkspaceError::Toolbox(format!("{name}: {}", failure.message)),
    }
}
