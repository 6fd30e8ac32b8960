//! Clones the repository into a sandbox.

use std::ops::ControlFlow;
use std::time::Duration;

use domain::ports::{CloneSource, Repository, elapsed};
use domain::text::shorten;
use domain::{
    CloneProgress, CommitId, ErrorCode, ExecId, GitAction, GitOperation, SpanKind, SpanOutcome, StepError, StepOutput,
};
use sandbox_protocol::{ByteRange, Exec, Exit, ExitStatus, Layout, Program, Started, Stream};
use secrecy::ExposeSecret;

use super::stop::Stop;
use super::{Prepare, RESERVE};
use crate::context::{Context, Interruptible, internal};
use crate::verdicts;
use crate::workspace::{ExecOutcome, Workspace};

const TIMEOUT: Duration = Duration::from_secs(240);

/// Time between two looks at the progress of the clone.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// Bytes at the end of git's standard error that hold its latest progress line.
const PROGRESS_BYTES: u64 = 400;

/// Bytes at the end of git's standard error that are shown when the clone fails.
const ERROR_BYTES: u64 = 2000;

/// The shell script of the clone. Its values are arguments, so that the shell interprets none of them: `$1` is the
/// workspace, `$2` the branch, `$3` the source (empty for an empty repository), `$4` the URL that `origin` is set to.
const SCRIPT: &str = include_str!("clone.sh");

pub(super) enum CloneOutcome {
    Completed,
    /// The invocation's time is nearly over. Git may still run; the next invocation joins it.
    Unfinished,
    CutOff,
    /// The run is cancelled; this is the step's answer.
    Stopped(StepOutput),
}

impl Prepare {
    /// Clones the repository, reports git's progress as events, and records the commit that was checked out.
    ///
    /// # Errors
    /// `CloneFailed` with the end of git's output when git reports a failure.
    pub(super) async fn clone_repository(
        &self,
        context: &mut Context,
        workspace: &Workspace,
        repository: &Repository,
        source: &CloneSource,
    ) -> Result<CloneOutcome, Stop> {
        let repo_url = context.session()?.request.repo_url.clone();
        let id: ExecId = "clone".parse().map_err(internal)?;
        let exec = exec(&id, workspace.layout(), repository, source, &repo_url);
        let start = context.common.clock.now();
        let span = context.start_span("sandbox clone", SpanKind::Client);
        let exit = match workspace.start(exec).await? {
            Started::New | Started::Running => match wait_for_clone(context, workspace, &id).await? {
                ControlFlow::Continue(exit) if context.time_left() > RESERVE => exit,
                ControlFlow::Continue(_) => return Ok(CloneOutcome::Unfinished),
                ControlFlow::Break(outcome) => return Ok(outcome),
            },
            Started::Finished(exit) => exit,
            Started::CutOff => return Ok(CloneOutcome::CutOff),
        };
        let is_cloned = exit.status == ExitStatus::Exited(0);
        let outcome = if is_cloned { SpanOutcome::Ok } else { SpanOutcome::Error("git clone failed".to_owned()) };
        context.end_span(span, outcome);
        if !is_cloned {
            let range = ByteRange::Last(ERROR_BYTES);
            let stderr = workspace.output(&id, Stream::Stderr, range).await?;
            let stderr = String::from_utf8_lossy(&stderr);
            let stderr = context.common.redactor.redact(stderr.trim());
            let message = format!("git could not clone {repo_url}: {stderr}");
            return Err(StepError::terminal(ErrorCode::CloneFailed, message).into());
        }
        let baseline = workspace.baseline(context).await?;
        let seconds = elapsed(start, context.common.clock.now()).as_secs_f64();
        let commit = baseline.as_ref().map(CommitId::as_str).unwrap_or("an empty repository");
        let message = format!("Cloned {} at {commit} in {seconds:.1} s", repository.base_branch);
        let operation = GitOperation {
            operation: GitAction::Clone,
            repository: repository.name.clone(),
            branch: Some(repository.base_branch.clone()),
            commit: baseline,
            detail: None,
        };
        context.log.append(vec![CloneProgress { message }.into(), operation.into()]).await?;
        Ok(CloneOutcome::Completed)
    }
}

/// Waits until git exits, or breaks with the outcome of a clone that does not get there.
async fn wait_for_clone(
    context: &mut Context,
    workspace: &Workspace,
    exec: &ExecId,
) -> Result<ControlFlow<CloneOutcome, Exit>, Stop> {
    let mut last_reported = String::new();
    loop {
        match context.run_until_stopped(workspace.wait(exec, PROGRESS_INTERVAL)).await {
            Interruptible::Completed(outcome) => match outcome? {
                ExecOutcome::Running if context.time_left() > RESERVE => {}
                ExecOutcome::Running => return Ok(ControlFlow::Break(CloneOutcome::Unfinished)),
                ExecOutcome::Finished(exit, _) => return Ok(ControlFlow::Continue(exit)),
                ExecOutcome::CutOff => return Ok(ControlFlow::Break(CloneOutcome::CutOff)),
            },
            Interruptible::Stopped => {
                // Before the kill: this fails when a newer attempt has taken over, and then the command is that one's.
                let answer = verdicts::stopped(context).await?;
                workspace.kill(exec).await?;
                return Ok(ControlFlow::Break(CloneOutcome::Stopped(answer)));
            }
        }
        let stderr = workspace.output(exec, Stream::Stderr, ByteRange::Last(PROGRESS_BYTES)).await?;
        let progress = last_progress_line(&stderr);
        if !progress.is_empty() && progress != last_reported {
            last_reported.clone_from(&progress);
            let message = context.common.redactor.redact(&progress).into_owned();
            context.log.append(vec![CloneProgress { message }.into()]).await?;
        }
    }
}

/// The command that clones, or that creates an empty repository with the same branch and remote.
fn exec(id: &ExecId, layout: &Layout, repository: &Repository, source: &CloneSource, repo_url: &str) -> Exec {
    let (address, authorization) = match source {
        CloneSource::Directory(_) => (format!("file://{}", layout.source.as_deref().unwrap_or_default()), None),
        CloneSource::Address { url, authorization } => (url.clone(), authorization.clone()),
    };
    let address = if repository.base_commit.is_some() { address } else { String::new() };
    let mut argv: Vec<String> = ["sh", "-c", SCRIPT, "clone"].map(str::to_owned).to_vec();
    argv.extend([layout.workspace.clone(), repository.base_branch.clone(), address, repo_url.to_owned()]);
    let mut environment = vec![("GIT_TERMINAL_PROMPT".to_owned(), "0".to_owned())];
    // The credential is in the environment of this one command, where no command line and no file shows it. No code of the
    // repository has run in the sandbox yet.
    if let Some(header) = authorization {
        let setting = |name: &str, value: String| (name.to_owned(), value);
        environment.extend([
            setting("GIT_CONFIG_COUNT", "1".to_owned()),
            setting("GIT_CONFIG_KEY_0", "http.extraHeader".to_owned()),
            setting("GIT_CONFIG_VALUE_0", format!("Authorization: {}", header.expose_secret())),
        ]);
    }
    Exec {
        environment,
        directory: Some(layout.temporary.clone()),
        timeout: TIMEOUT,
        kept_bytes: 1024 * 1024,
        ..Exec::new(id.as_str(), Program::Command(argv))
    }
}

/// The last complete line of git's progress, which separates its updates by carriage returns.
fn last_progress_line(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let last = text.split(['\r', '\n']).map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    shorten(last, 200).into_owned()
}
