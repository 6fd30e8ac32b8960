//! Runs the project's checks on exactly what is to be published, when the model has ended its work.
//!
//! The checks are commands of ours: each has its own exit status, and what the model left outside the workspace does not count. One
//! that fails is run again without the change, which tells what the change broke from what failed before. What the checks change
//! in the workspace is put back. The base runs in the same place and not in a copy: virtual environments and installed packages name
//! the workspace by its path, so that a check in a copy would test the changed files.

mod check;
mod choice;
mod home;
mod texts;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{Blobs, Sandboxes};
use domain::{
    Changeset, CheckFinished, CheckOutcome, CheckResult, CheckSubject, Checkpoint, ErrorCode, MicroDollars,
    SandboxTerminating, Step, StepError, StepOutput, Verdict, Verification, VerificationRecorded,
    WorkspaceCheckpointFailed,
};

use crate::context::Context;
use crate::invocation::StepHandler;
use crate::survey;
use crate::tools::ToolLimits;
use crate::workspace::{Workspace, WorkspaceError, checkpoint, record_loss};
use check::Ran;

/// Time kept free before the deadline for the events of a check that has just ended.
const RESERVE: Duration = Duration::from_secs(45);

/// Maximum times that the model is told in one run of checks that its change has broken. After that the change is published as a
/// draft that says so.
const MAX_ROUNDS: u32 = 3;

/// The step `verify`.
pub struct Verify {
    pub sandboxes: Arc<dyn Sandboxes>,
    pub blobs: Arc<dyn Blobs>,
    /// The time limit of a command holds for a check too.
    pub limits: ToolLimits,
}

/// What is verified.
struct Subject {
    checkpoint: Checkpoint,
    changes: Changeset,
    /// Whether the checks' home was made in this invocation, or one of them still runs in it.
    is_home_fresh: bool,
}

/// The checks, or the answer of a step that could not run them all.
enum Checked {
    Ended(Vec<CheckFinished>),
    Break(StepOutput),
}

#[async_trait]
impl StepHandler for Verify {
    fn step(&self) -> Step {
        Step::Verify
    }

    async fn run(&self, context: &mut Context) -> Result<StepOutput, StepError> {
        let state = context.log.state();
        if state.main.open_calls().next().is_some() {
            return Ok(StepOutput::new(Verdict::Tools));
        }
        if !state.work_has_ended() {
            return Ok(StepOutput::new(Verdict::Turn));
        }
        if state.verification().is_some() {
            // An earlier attempt has recorded it together with its answer, which was to publish: otherwise the model were told.
            return Ok(StepOutput::new(Verdict::Publish));
        }
        let Some(sandbox) = Workspace::sandbox_of(state).cloned() else {
            return Ok(StepOutput::new(Verdict::Prepare));
        };
        let answer = match Workspace::connect(self.sandboxes.as_ref(), &sandbox).await {
            Ok(workspace) => self.verify(context, &workspace).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(output) => Ok(output),
            Err(WorkspaceError::SandboxLost(reason)) => record_loss(context, sandbox.id, reason).await,
            Err(WorkspaceError::Toolbox(reason)) => publish_unverified(context, &reason),
            Err(WorkspaceError::Step(error)) => Err(error),
        }
    }
}

impl Verify {
    async fn verify(&self, context: &mut Context, workspace: &Workspace) -> Result<StepOutput, WorkspaceError> {
        let Some(mut subject) = self.subject(context, workspace).await? else {
            return Ok(StepOutput::new(Verdict::Publish));
        };
        let can_mend = context.run()?.budget.allows(MicroDollars::default()).is_ok();
        let left_out = &subject.checkpoint.content.skipped;
        if !left_out.is_empty() && context.run()?.told_of_left_out == 0 && can_mend {
            context.closing.push(texts::left_out(left_out).into());
            return Ok(StepOutput::new(Verdict::Turn));
        }
        if subject.changes.is_empty() {
            return Ok(StepOutput::new(Verdict::Publish));
        }
        let checked = match self.check_all(context, workspace, &mut subject).await? {
            Checked::Ended(checked) => checked,
            Checked::Break(answer) => return Ok(answer),
        };
        let verification = Verification {
            round: context.run()?.verifying.round(),
            base: subject.checkpoint.content.base.clone(),
            digest: subject.checkpoint.content.digest.clone(),
            checks: checked.iter().map(|check| check.result.clone()).collect(),
        };
        let is_broken = verification.newly_failed().next().is_some();
        context.log.refresh().await.map_err(StepError::from)?;
        context.closing.push(VerificationRecorded { verification }.into());
        let tells = is_broken && can_mend && context.run()?.told_of_checks < MAX_ROUNDS;
        if tells {
            context.closing.push(texts::broken(&checked).into());
        }
        if !tells && context.log.state().work_has_ended() {
            // What is published is the checkpoint. Nobody works in the sandbox any more.
            return Ok(StepOutput::new(Verdict::Publish));
        }
        if !checked.is_empty() && !put_all_back(context, workspace, &subject).await? {
            // The checkpoint is: another sandbox continues with it.
            let reason = "what the checks of the project changed could not be put back".to_owned();
            context.closing.push(SandboxTerminating { sandbox: workspace.id.clone(), reason }.into());
            return Ok(StepOutput::new(Verdict::Prepare));
        }
        Ok(StepOutput::new(Verdict::Turn))
    }

    /// What is to be published, from a fresh checkpoint. None when there is nothing.
    async fn subject(&self, context: &mut Context, workspace: &Workspace) -> Result<Option<Subject>, WorkspaceError> {
        let (blobs, state) = (self.blobs.as_ref(), context.log.state());
        // Once a check has run, the workspace is no longer as the model left it.
        let has_begun = context.run()?.verifying.has_begun();
        let is_home_fresh = context.run()?.verifying.is_running_in(&workspace.id);
        let turn = state.main.last_turn.as_ref().map(|turn| turn.turn).unwrap_or_default();
        if !has_begun {
            let mark = state.checkpoint.as_ref().and_then(|latest| latest.mark.clone());
            let bodies = checkpoint(context, blobs, workspace, turn, mark).await?;
            context.log.append(bodies).await.map_err(StepError::from)?;
        }
        let Some(latest) = context.log.state().checkpoint.clone() else { return Ok(None) };
        let session = context.log.session_id();
        let checkpoint = Checkpoint::fetch(blobs, session, &latest.blob.sha256).await?;
        let changes = checkpoint.changeset(blobs, session).await?;
        Ok(Some(Subject { checkpoint, changes, is_home_fresh }))
    }

    /// Runs all checks on the change, and those that fail without it too.
    async fn check_all(
        &self,
        context: &mut Context,
        workspace: &Workspace,
        subject: &mut Subject,
    ) -> Result<Checked, WorkspaceError> {
        let commands = choice::checks(context.log.state());
        let mut checked = Vec::new();
        for (command, index) in commands.iter().zip(0..) {
            match self.check_one(context, workspace, subject, (index, command), CheckSubject::Change).await? {
                Ran::Finished(finished) => checked.push(finished),
                Ran::Unfinished => return Ok(Checked::Break(StepOutput::new(Verdict::Verify))),
                Ran::Stopped(answer) => return Ok(Checked::Break(answer)),
            }
        }
        let unknown = why_base_is_unknown(subject);
        for (finished, index) in checked.iter_mut().zip(0..) {
            if finished.result.outcome != CheckOutcome::Failed {
                continue;
            }
            if let Some(reason) = &unknown {
                finished.result.reason = Some(reason.clone());
                continue;
            }
            let command = finished.result.command.clone();
            match self.check_one(context, workspace, subject, (index, &command), CheckSubject::Base).await? {
                Ran::Finished(base) => compare(&mut finished.result, &base.result),
                Ran::Unfinished => return Ok(Checked::Break(StepOutput::new(Verdict::Verify))),
                Ran::Stopped(answer) => return Ok(Checked::Break(answer)),
            }
        }
        Ok(Checked::Ended(checked))
    }

    /// Runs a check, or joins it, on the workspace as it has to be for it.
    async fn check_one(
        &self,
        context: &mut Context,
        workspace: &Workspace,
        subject: &mut Subject,
        check: (u32, &str),
        on: CheckSubject,
    ) -> Result<Ran, WorkspaceError> {
        let mut obstacle = None;
        if context.run()?.verifying.open(check.0, on).is_none() {
            if context.time_left() < RESERVE {
                return Ok(Ran::Unfinished);
            }
            if !subject.is_home_fresh {
                obstacle = home::freshen(context, workspace).await?;
                subject.is_home_fresh = obstacle.is_none();
            }
            let changes = match on {
                CheckSubject::Change => &subject.changes,
                CheckSubject::Base => &Changeset::default(),
            };
            if let Err(WorkspaceError::Toolbox(reason)) = workspace.put_back(context, changes).await {
                obstacle = Some(format!("the workspace could not be prepared for it ({reason})"));
            }
        }
        self.check(context, workspace, check, on, obstacle).await
    }
}

/// Brings the workspace and the model's home into the state before the checks. False when the workspace is not as it was.
async fn put_all_back(context: &Context, workspace: &Workspace, subject: &Subject) -> Result<bool, WorkspaceError> {
    let put_back = async {
        workspace.put_back(context, &subject.changes).await?;
        let has_home = home::give_back(context, workspace).await?;
        let known = subject.checkpoint.content.stored().map(|(digest, _)| digest);
        let collected = workspace.collect(context, known, None).await?;
        Ok(has_home && collected.digest == subject.checkpoint.content.digest.as_str())
    };
    match put_back.await {
        Ok(is_intact) => Ok(is_intact),
        Err(WorkspaceError::Toolbox(_)) => Ok(false),
        Err(error @ (WorkspaceError::SandboxLost(_) | WorkspaceError::Step(_))) => Err(error),
    }
}

/// Why a check cannot be run without the change in a way that means something. A clause.
fn why_base_is_unknown(subject: &Subject) -> Option<String> {
    if subject.checkpoint.content.base.is_none() {
        return Some("there was nothing before the change".to_owned());
    }
    let manifest = subject.changes.iter().find(|(path, _)| survey::is_dependency_manifest(path.as_str()));
    manifest.map(|(path, _)| format!("how it ends without the change is unknown: the change touches {path}"))
}

/// Tells what failed before from what the change broke. Unless the base is known to fail, the failure counts as new.
fn compare(result: &mut CheckResult, base: &CheckResult) {
    match base.outcome {
        CheckOutcome::Passed => {}
        CheckOutcome::Failed | CheckOutcome::FailedBefore => result.outcome = CheckOutcome::FailedBefore,
        CheckOutcome::NotRun => {
            let reason = base.reason.as_deref().unwrap_or("it was not run");
            result.reason = Some(format!("how it ends without the change is unknown: {reason}"));
        }
    }
}

/// The workspace cannot be read: what is stored of it is published.
fn publish_unverified(context: &mut Context, reason: &str) -> Result<StepOutput, StepError> {
    let turn = context.log.state().main.last_turn.as_ref().map(|turn| turn.turn).unwrap_or_default();
    let reason = context.common.redactor.redact(reason).into_owned();
    if context.log.state().checkpoint.is_none() {
        let message = format!("the workspace could not be read after turn {turn}: {reason}");
        return Err(StepError::terminal(ErrorCode::WorkspaceUnreadable, message));
    }
    context.closing.clear();
    context.closing.push(WorkspaceCheckpointFailed { turn, reason }.into());
    Ok(StepOutput::new(Verdict::Publish))
}
