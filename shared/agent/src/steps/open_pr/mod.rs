//! Publishes the change: commit, branch, pull request.
//!
//! The change is read from the latest checkpoint, which left the sandbox after the last call that could write. So this step
//! needs no sandbox, and a lost sandbox does not keep it from publishing.

mod base_check;
mod branch;
mod line_counts;
mod pull_request;
mod text;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::commands::after_wait;
use domain::ports::{Blobs, CommitAuthor, Forge};
use domain::state::{Base, RunState};
use domain::{
    Changeset, ChangesetCollected, Checkpoint, CommitId, GitAction, GitOperation, LineCounts, RunFailing, Step,
    StepError, StepOutput, Terminal, Verdict, WaitEnded, WaitOutcome,
};

use crate::context::{Context, internal};
use crate::failure;
use crate::forge_stop::ForgeStop;
use crate::invocation::StepHandler;
use base_check::BaseCheck;

/// Maximum times that a run moves its change to a new base. After that the change is published on the old base, as a draft
/// that says so.
const MAX_BASE_MOVES: u32 = 2;

/// Time kept free before the deadline for recording the branch and opening the pull request.
const RESERVE: Duration = Duration::from_secs(30);

/// The step `open-pr`.
pub struct OpenPr {
    pub forge: Arc<dyn Forge>,
    pub blobs: Arc<dyn Blobs>,
    pub author: CommitAuthor,
}

#[async_trait]
impl StepHandler for OpenPr {
    fn step(&self) -> Step {
        Step::OpenPr
    }

    async fn run(&self, context: &mut Context) -> Result<StepOutput, StepError> {
        let failed = context.input.state.as_ref().and_then(|state| state.last.as_ref());
        if failed.is_some_and(|last| last.verdict == Verdict::Failed) && context.run()?.failing.is_none() {
            // In the log, because the workflow's state no longer says so after a pause.
            let Terminal { code, message } = failure::of_run(context);
            context.log.append(vec![RunFailing { code, message }.into()]).await?;
        }
        match self.publish(context).await {
            Ok(output) => Ok(output),
            Err(stop) => stop.answer(Verdict::Publish),
        }
    }
}

impl OpenPr {
    async fn publish(&self, context: &mut Context) -> Result<StepOutput, ForgeStop> {
        if context.run()?.failing.is_some() {
            // Whoever was asked is not waited for any more.
        } else if context.log.state().wait.is_some() {
            // The workflow comes here with an open wait only when the wait timed out.
            context.log.append(vec![WaitEnded { outcome: WaitOutcome::Expired }.into()]).await?;
        } else if let run = context.run()?.clone()
            && let Some(outcome) = late_answer(&run)
            && run.cancel.is_none()
        {
            // The user answered while the wait timed out. The answer counts.
            return Ok(StepOutput::new(after_wait(outcome, context.log.state())));
        }
        let run = context.run()?.clone();
        let expired = run.wait_outcome == Some(WaitOutcome::Expired);
        if run.published {
            // An earlier attempt published the branch. The pull request remains.
            return self.finish_publication(context, run.base_moves >= MAX_BASE_MOVES, expired).await;
        }
        let Some((checkpoint, changes)) = self.change(context).await? else {
            if let Some(checkpoint) = self.latest(context).await?.filter(|latest| !latest.content.skipped.is_empty())
                && run.changeset.is_none()
            {
                // All changed files had to be left out. The event names them, so that the user learns why nothing is published.
                context.log.append(vec![collected(&checkpoint, 0, LineCounts::default()).into()]).await?;
            }
            return Ok(StepOutput::new(if run.cancel.is_some() {
                Verdict::Cancelled
            } else if run.failing.is_some() {
                Verdict::Failed
            } else if expired {
                Verdict::Expired
            } else {
                Verdict::Nothing
            }));
        };
        // A run that is ending gets no new workspace and no further reply.
        let is_ending = expired || run.cancel.is_some() || run.failing.is_some();
        let mut base = base(context)?;
        if run.changeset.is_none() {
            let commit = checkpoint.content.base.as_ref();
            let lines = self.count_lines(context, &base.repository, commit, &changes).await?;
            context.log.append(vec![collected(&checkpoint, changes.len(), lines).into()]).await?;
        }
        if checkpoint.content.base != base.commit {
            // The checkpoint is a difference to another base. On this one it would revert what came in between.
            if !is_ending {
                return Ok(StepOutput::new(Verdict::Prepare));
            }
            // So its branch starts at the checkpoint's own base.
            base.commit.clone_from(&checkpoint.content.base);
        }
        let moved = match self.check_base(context, &base, &changes, &run).await? {
            BaseCheck::Conflicts(head) if run.base_moves < MAX_BASE_MOVES && !is_ending => {
                let detail = Some("the base branch changed files that this change also changes".to_owned());
                let moved = git_operation(&base, GitAction::BaseMoved, Some(head), detail);
                context.log.append(vec![moved.into()]).await?;
                return Ok(StepOutput::new(Verdict::Prepare));
            }
            BaseCheck::Conflicts(_) => true,
            BaseCheck::Fits => false,
        };
        if let Some(later) = self.publish_branch(context, &base, changes, moved).await? {
            return Ok(later);
        }
        self.finish_publication(context, moved, expired).await
    }

    /// The latest change, checked for publication. None when no file differs.
    async fn change(&self, context: &Context) -> Result<Option<(Checkpoint, Changeset)>, StepError> {
        let Some(checkpoint) = self.latest(context).await? else { return Ok(None) };
        let changes = checkpoint.changeset(self.blobs.as_ref(), context.log.session_id()).await?;
        Ok((!changes.is_empty()).then_some((checkpoint, changes)))
    }

    async fn latest(&self, context: &Context) -> Result<Option<Checkpoint>, StepError> {
        let Some(latest) = &context.log.state().checkpoint else { return Ok(None) };
        let session = context.log.session_id();
        Ok(Some(Checkpoint::fetch(self.blobs.as_ref(), session, &latest.blob.sha256).await?))
    }
}

/// Whether the base branch is the session's own branch, as it is in a follow-up.
fn is_own_branch(context: &Context, base: &Base) -> bool {
    context.log.state().branch.as_ref().is_some_and(|own| own.branch == base.branch)
}

fn base(context: &Context) -> Result<Base, StepError> {
    context.log.state().base.clone().ok_or_else(|| internal("there is a change but no base"))
}

/// The user's answer to the run's last wait, if there was one. The workflow came to this step because the wait timed out.
fn late_answer(run: &RunState) -> Option<WaitOutcome> {
    match run.wait_outcome? {
        WaitOutcome::Expired | WaitOutcome::Cancelled => None,
        outcome @ (WaitOutcome::Approved
        | WaitOutcome::Rejected
        | WaitOutcome::PlanAnswered
        | WaitOutcome::Answered
        | WaitOutcome::Extended) => Some(outcome),
    }
}

fn collected(checkpoint: &Checkpoint, files: usize, lines: LineCounts) -> ChangesetCollected {
    ChangesetCollected {
        blob: checkpoint.blob.clone(),
        files: u32::try_from(files).unwrap_or(u32::MAX),
        additions: lines.additions,
        deletions: lines.deletions,
        skipped: checkpoint.content.skipped.clone(),
        leftovers: checkpoint.content.leftovers.clone(),
    }
}

fn git_operation(base: &Base, operation: GitAction, commit: Option<CommitId>, detail: Option<String>) -> GitOperation {
    let (repository, branch) = (base.repository.clone(), Some(base.branch.clone()));
    GitOperation { operation, repository, branch, commit, detail }
}
