//! One check: started once, waited for, and judged by its own exit status.

use std::time::Duration;

use domain::{
    CheckFinished, CheckOutcome, CheckResult, CheckStarted, CheckSubject, ExecId, SpanKind, SpanOutcome, StepError,
    StepOutput,
};
use sandbox_protocol::{ByteRange, Exec, Exit, ExitStatus, LimitReached, Program, Started, Stderr, Stream};

use super::{RESERVE, Verify};
use crate::command_environment::command_environment;
use crate::context::{Context, Interruptible, internal};
use crate::network::unrecorded_requests;
use crate::verdicts;
use crate::workspace::{ExecOutcome, Workspace, WorkspaceError};

/// Time between two looks at a check that runs.
const INTERVAL: Duration = Duration::from_secs(10);

/// Bytes at the end of the output that are stored, and shown to the model when the check fails.
const OUTPUT_BYTES: u64 = 4000;

/// The outcome of an attempt at a check.
pub(super) enum Ran {
    Finished(CheckFinished),
    /// The invocation's time is nearly over. The check may still run; the next invocation joins it.
    Unfinished,
    /// The run is cancelled; this is the step's answer.
    Stopped(StepOutput),
}

impl Verify {
    /// Runs a check of the round under way, joins it, or reads how it ended.
    pub(super) async fn check(
        &self,
        context: &mut Context,
        workspace: &Workspace,
        (check, command): (u32, &str),
        subject: CheckSubject,
        obstacle: Option<String>,
    ) -> Result<Ran, WorkspaceError> {
        let run = context.run()?;
        let (round, open) = (run.verifying.round(), run.verifying.open(check, subject).cloned());
        let is_new = open.is_none();
        let lost = "its sandbox was lost while it ran";
        let obstacle = match open {
            Some(open) => match open.finished {
                Some(finished) => return Ok(Ran::Finished(finished)),
                None => (open.sandbox != workspace.id).then(|| lost.to_owned()),
            },
            None => obstacle.or_else(|| run.budget.minutes_used().map(|reached| reached.sentence)),
        };
        if is_new {
            let (command, sandbox) = (command.to_owned(), workspace.id.clone());
            context
                .log
                .append(vec![CheckStarted { round, check, subject, command, sandbox }.into()])
                .await
                .map_err(StepError::from)?;
        }
        let finished = |result, output| CheckFinished { round, check, subject, result, output };
        if let Some(reason) = obstacle {
            return Ok(Ran::Finished(self.record(context, finished(not_run(command, &reason), String::new())).await?));
        }
        let id: ExecId =
            format!("check-{}-{round}-{check}-{}", context.input.run, name(subject)).parse().map_err(internal)?;
        let span = context.start_span(format!("check {command}"), SpanKind::Client);
        let exit = match workspace.start(self.exec(&id, command)).await? {
            Started::New | Started::Running => match self.wait(context, workspace, &id).await? {
                Waited::Ended(exit) => exit,
                Waited::Unfinished => return Ok(Ran::Unfinished),
                Waited::Stopped(output) => return Ok(Ran::Stopped(output)),
            },
            Started::Finished(exit) => Some(exit),
            Started::CutOff => None,
        };
        let result = match &exit {
            Some(exit) => self.judge(command, exit),
            None => not_run(command, "it was cut off"),
        };
        let outcome = match result.outcome {
            CheckOutcome::Passed => SpanOutcome::Ok,
            CheckOutcome::Failed | CheckOutcome::FailedBefore | CheckOutcome::NotRun => {
                SpanOutcome::Error(result.outcome.in_words().to_owned())
            }
        };
        context.end_span(span, outcome);
        let output = workspace.output(&id, Stream::Stdout, ByteRange::Last(OUTPUT_BYTES)).await?;
        let output = context.common.redactor.redact(String::from_utf8_lossy(&output).trim()).into_owned();
        Ok(Ran::Finished(self.record(context, finished(result, output)).await?))
    }

    async fn record(&self, context: &mut Context, finished: CheckFinished) -> Result<CheckFinished, WorkspaceError> {
        let mut bodies = unrecorded_requests(context, self.sandboxes.as_ref()).await?;
        bodies.push(finished.clone().into());
        context.log.append(bodies).await.map_err(StepError::from)?;
        Ok(finished)
    }

    fn exec(&self, id: &ExecId, command: &str) -> Exec {
        // The command is an argument of its own. Nothing of the user's start-up files is read.
        let argv = ["/bin/bash", "--noprofile", "--norc", "-o", "pipefail", "-c", command, "check"];
        Exec {
            environment: command_environment(),
            timeout: self.limits.command,
            stderr: Stderr::Merged,
            kept_bytes: self.limits.kept_bytes,
            ..Exec::new(id.as_str(), Program::Command(argv.map(str::to_owned).to_vec()))
        }
    }

    async fn wait(&self, context: &mut Context, workspace: &Workspace, id: &ExecId) -> Result<Waited, WorkspaceError> {
        loop {
            let interval = INTERVAL.min(context.time_left().saturating_sub(RESERVE));
            if interval.is_zero() {
                return Ok(Waited::Unfinished);
            }
            match context.run_until_stopped(workspace.wait(id, interval)).await {
                Interruptible::Completed(outcome) => match outcome? {
                    ExecOutcome::Running => {}
                    ExecOutcome::Finished(exit, _) => return Ok(Waited::Ended(Some(exit))),
                    ExecOutcome::CutOff => return Ok(Waited::Ended(None)),
                },
                Interruptible::Stopped => {
                    // Before the kill: this fails when a newer attempt has taken over, and then the check is that one's.
                    let output = verdicts::stopped(context).await?;
                    workspace.kill(id).await?;
                    return Ok(Waited::Stopped(output));
                }
            }
        }
    }

    fn judge(&self, command: &str, exit: &Exit) -> CheckResult {
        let (outcome, exit_code, reason) = match (exit.status, exit.limit) {
            (ExitStatus::Exited(0), _) => (CheckOutcome::Passed, Some(0), None),
            (_, Some(limit)) => (CheckOutcome::NotRun, None, Some(limit_reached(limit).to_owned())),
            // The shell's own codes.
            (ExitStatus::Exited(code @ (126 | 127)), None) => {
                let reason = format!("a program that it needs is missing or cannot be run (exit code {code})");
                (CheckOutcome::NotRun, Some(code), Some(reason))
            }
            (ExitStatus::Exited(code), None) => (CheckOutcome::Failed, Some(code), None),
            (ExitStatus::Signalled(signal), None) => (CheckOutcome::Failed, Some(128 + signal), None),
            (ExitStatus::TimedOut, None) => {
                let reason = format!("it took longer than {} s", self.limits.command.as_secs());
                (CheckOutcome::NotRun, None, Some(reason))
            }
            (ExitStatus::Killed, None) => (CheckOutcome::NotRun, None, Some("it was stopped".to_owned())),
        };
        let duration_ms = u64::try_from(exit.wall.as_millis()).unwrap_or(u64::MAX);
        CheckResult { command: command.to_owned(), outcome, reason, exit_code, duration_ms }
    }
}

enum Waited {
    /// None when it was cut off.
    Ended(Option<Exit>),
    Unfinished,
    Stopped(StepOutput),
}

/// The result of a check that has neither passed nor failed.
pub(super) fn not_run(command: &str, reason: &str) -> CheckResult {
    CheckResult {
        command: command.to_owned(),
        outcome: CheckOutcome::NotRun,
        reason: Some(reason.to_owned()),
        exit_code: None,
        duration_ms: 0,
    }
}

fn name(subject: CheckSubject) -> &'static str {
    match subject {
        CheckSubject::Change => "change",
        CheckSubject::Base => "base",
    }
}

fn limit_reached(limit: LimitReached) -> &'static str {
    match limit {
        LimitReached::Memory => "it needs more memory than the sandbox may use",
        LimitReached::Sockets => "it needs more sockets than the sandbox may use",
        LimitReached::DiskSpace => "it needs more disk space than the sandbox may use",
        LimitReached::DiskFiles => "it makes more files than the sandbox may have",
        LimitReached::ProcessorTime => "it needs more processor time than a process may use",
        LimitReached::FileSize => "it writes a larger file than the sandbox may have",
    }
}
