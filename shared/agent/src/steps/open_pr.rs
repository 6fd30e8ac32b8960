//! Publishes the change: commit, branch, pull request.
//!
//! The change is the latest checkpoint, which was taken out of the sandbox after the last call that could write; so this
//! step needs no sandbox, and it publishes as well when the sandbox is gone.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::commands::after_wait;
use domain::ports::{Blobs, CommitAuthor, Forge, Publication, Published, PullRequestText, Readiness, load_text};
use domain::state::{Base, RunState};
use domain::{
    BranchPublished, Changeset, ChangesetCollected, CommitId, Delivery, EventBody, GitAction, GitOperation, PrOpened,
    PrUpdated, PublishStarted, Step, StepError, StepOutput, Verdict, WaitEnded, WaitOutcome, WorkspacePath,
};

use crate::context::{Context, internal};
use crate::invocation::StepHandler;
use crate::pull_request as words;
use crate::verdicts;
use domain::Checkpoint;

/// So often the work goes on on a moved base; then it is published on the old one, as a draft that says so.
const MAX_BASE_MOVES: u32 = 2;

/// Kept back of the deadline for what follows a portion.
const RESERVE: Duration = Duration::from_secs(30);

/// The step `open-pr`.
pub struct OpenPr {
    /// Where the change goes.
    pub forge: Arc<dyn Forge>,
    /// Where the change is.
    pub blobs: Arc<dyn Blobs>,
    /// Who the commit is by.
    pub author: CommitAuthor,
}

#[async_trait]
impl StepHandler for OpenPr {
    fn step(&self) -> Step {
        Step::OpenPr
    }

    async fn run(&self, context: &mut Context) -> Result<StepOutput, StepError> {
        if context.log.state().wait.is_some() {
            context.log.append(vec![WaitEnded { outcome: WaitOutcome::Expired }.into()]).await?;
        } else if let run = context.run()?.clone()
            && let Some(outcome) = answered_meanwhile(&run)
            && run.cancel.is_none()
        {
            // The answer and the end of the wait crossed each other; the answer counts.
            return Ok(StepOutput::new(after_wait(outcome, context.log.state())));
        }
        let run = context.run()?.clone();
        let expired = run.wait_outcome == Some(WaitOutcome::Expired);
        if run.published {
            // An earlier attempt came this far; what is left is the pull request.
            return self.deliver(context, run.base_moves >= MAX_BASE_MOVES, expired).await;
        }
        let Some((checkpoint, changes)) = self.change(context).await? else {
            if let Some(checkpoint) = self.latest(context).await?.filter(|latest| !latest.content.skipped.is_empty()) {
                // Nothing of it may be published; that is said, not passed over.
                context.log.append(vec![collected(&checkpoint, &Changeset::default()).into()]).await?;
            }
            return Ok(StepOutput::new(if run.cancel.is_some() {
                Verdict::Cancelled
            } else if expired {
                Verdict::Expired
            } else {
                Verdict::Nothing
            }));
        };
        let mut base = base(context)?;
        if run.changeset.is_none() {
            context.log.append(vec![collected(&checkpoint, &changes).into()]).await?;
        }
        if checkpoint.content.base != base.commit {
            // It was measured against another base, and would take back what came in between.
            if run.cancel.is_none() && !expired {
                return Ok(StepOutput::new(Verdict::Prepare));
            }
            // Nothing is prepared any more for a run that ends: its branch grows from the base it knows.
            base.commit.clone_from(&checkpoint.content.base);
        }
        let moved = match self.look_at_base(context, &base, &changes, &run).await? {
            BaseCheck::Conflicts(head) if run.base_moves < MAX_BASE_MOVES && run.cancel.is_none() && !expired => {
                let detail = Some("the base branch changed files that this change changes too".to_owned());
                let moved = operated(&base, GitAction::BaseMoved, Some(head), detail);
                context.log.append(vec![moved.into()]).await?;
                return Ok(StepOutput::new(Verdict::Prepare));
            }
            BaseCheck::Conflicts(_) => true,
            BaseCheck::Fits => false,
        };
        if let Some(later) = self.publish(context, &base, changes, moved).await? {
            return Ok(later);
        }
        self.deliver(context, moved, expired).await
    }
}

/// Whether the change still fits the branch it is for.
enum BaseCheck {
    Fits,
    Conflicts(CommitId),
}

impl OpenPr {
    /// What follows the branch: the pull request, if one is wanted.
    async fn deliver(&self, context: &mut Context, moved: bool, expired: bool) -> Result<StepOutput, StepError> {
        let run = context.run()?.clone();
        let delivery = context.session()?.request.delivery;
        if run.cancel.is_some() {
            return Ok(StepOutput::new(Verdict::Cancelled));
        }
        if delivery != Delivery::Branch {
            let draft = draft_reason(&run, delivery, moved, expired);
            let base = base(context)?;
            self.pull_request(context, &base, draft).await?;
        }
        Ok(StepOutput::new(Verdict::Done))
    }

    /// The change, checked; none when nothing differs.
    async fn change(&self, context: &Context) -> Result<Option<(Checkpoint, Changeset)>, StepError> {
        let Some(checkpoint) = self.latest(context).await? else { return Ok(None) };
        let changes = checkpoint.changeset()?;
        Ok((!changes.is_empty()).then_some((checkpoint, changes)))
    }

    async fn latest(&self, context: &Context) -> Result<Option<Checkpoint>, StepError> {
        let Some(latest) = &context.log.state().checkpoint else { return Ok(None) };
        let session = context.log.session_id();
        Ok(Some(Checkpoint::fetch(self.blobs.as_ref(), session, &latest.blob.sha256).await?))
    }

    async fn look_at_base(
        &self,
        context: &Context,
        base: &Base,
        changes: &Changeset,
        run: &RunState,
    ) -> Result<BaseCheck, StepError> {
        // Once the branch is begun it is finished on the base it was begun on.
        if run.publishing.is_some() {
            return Ok(BaseCheck::Fits);
        }
        let head = self.forge.branch_head(&base.repository, &base.branch);
        let head = context.spanned("forge branch_head", head).await?;
        match (&base.commit, head) {
            // On a follow-up the base is our own branch: whoever moved it has to be built upon.
            (Some(from), Some(to)) if *from != to && is_own(context, base) => Ok(BaseCheck::Conflicts(to)),
            (Some(from), Some(to)) if *from != to => {
                let changed = self.forge.changed_paths(&base.repository, from, &to);
                let changed = context.spanned("forge changed_paths", changed).await?;
                Ok(if overlaps(changes, &changed) { BaseCheck::Conflicts(to) } else { BaseCheck::Fits })
            }
            // The repository was empty and is not any more.
            (None, Some(to)) => Ok(BaseCheck::Conflicts(to)),
            (Some(_), Some(_) | None) | (None, None) => Ok(BaseCheck::Fits),
        }
    }

    /// Puts the commit on the branch; an answer when there is more to do in a new invocation.
    async fn publish(
        &self,
        context: &mut Context,
        base: &Base,
        changes: Changeset,
        moved: bool,
    ) -> Result<Option<StepOutput>, StepError> {
        let publication = self.publication(context, base, changes, moved).await?;
        loop {
            let published = self.forge.publish(&base.repository, &publication);
            match context.spanned("forge publish", published).await {
                Ok(Published::Done { commit, url }) => {
                    let branch = publication.branch.clone();
                    let on = Base { branch: branch.clone(), ..base.clone() };
                    context
                        .log
                        .append(vec![
                            operated(&on, GitAction::Commit, Some(commit.clone()), None).into(),
                            operated(&on, GitAction::UpdateBranch, Some(commit.clone()), None).into(),
                            BranchPublished { branch, commit, url }.into(),
                        ])
                        .await?;
                    return Ok(None);
                }
                Ok(Published::More) if context.time_left() > RESERVE => {}
                Ok(Published::More) => return Ok(Some(StepOutput::new(Verdict::Publish))),
                Err(error) => return verdicts::forge_pause(error, Verdict::Publish).map(Some),
            }
        }
    }

    /// The commit as it was first meant: a second attempt makes the same one.
    async fn publication(
        &self,
        context: &mut Context,
        base: &Base,
        changes: Changeset,
        moved: bool,
    ) -> Result<Publication, StepError> {
        if context.run()?.publishing.is_none() {
            let state = context.log.state();
            let session = context.log.session_id().to_string();
            let redactor = &context.common.redactor;
            let title = redactor.redact(&words::title(state)).into_owned();
            let message = redactor.redact(&words::commit_message(state, &title, &session)).into_owned();
            // On a follow-up the base is our own branch, and it goes on there, unless others keep moving it.
            let own = state.branch.as_ref().filter(|own| own.branch == base.branch && !moved);
            let branch = match own {
                Some(own) => own.branch.clone(),
                None => {
                    let again = state.branch.as_ref().map(|_| context.input.run.to_string());
                    words::branch(&title, &session, again.as_deref())
                }
            };
            let started = PublishStarted { branch, message, parent: base.commit.clone() };
            context.log.append(vec![started.into()]).await?;
        }
        let run = context.run()?.clone();
        let (started, date) = run.publishing.ok_or_else(|| internal("publishing was begun but is not in the log"))?;
        let continues = started.branch == base.branch;
        Ok(Publication {
            expected_head: if continues { started.parent.clone() } else { None },
            branch: started.branch,
            parent: started.parent,
            changes,
            message: started.message,
            author: self.author.clone(),
            date,
        })
    }

    async fn pull_request(&self, context: &mut Context, base: &Base, draft: Option<String>) -> Result<(), StepError> {
        let state = context.log.state();
        let run = context.run()?.clone();
        let session = context.session()?;
        let Some(branch) = state.branch.clone() else { return Err(internal("the branch is not in the log")) };
        let closing = self.closing_words(context).await?;
        let redactor = &context.common.redactor;
        let title = redactor.redact(&words::title(state)).into_owned();
        let body = words::body(state, &run, closing.as_deref(), draft.as_deref(), session.id.as_str());
        let text = PullRequestText {
            head: branch.branch.clone(),
            base: state.target_branch.clone().unwrap_or_else(|| base.branch.clone()),
            title: title.clone(),
            body: redactor.redact(&body).into_owned(),
            readiness: if draft.is_some() { Readiness::Draft } else { Readiness::Ready },
        };
        let found = self.forge.find_pull_request(&base.repository, &branch.branch);
        if let Some(found) = context.spanned("forge find_pull_request", found).await? {
            let update = self.forge.update_pull_request(&base.repository, &found, &text);
            context.spanned("forge update_pull_request", update).await?;
            let known = state.pull_request.as_ref().is_some_and(|known| known.number == found.number);
            let event: EventBody = if known {
                PrUpdated { number: found.number, pr_url: found.url }.into()
            } else {
                PrOpened { number: found.number, pr_url: found.url, title, draft }.into()
            };
            return Ok(context.log.append(vec![event]).await?);
        }
        let opened = self.forge.open_pull_request(&base.repository, &text);
        let opened = context.spanned("forge open_pull_request", opened).await?;
        let event = PrOpened { number: opened.number, pr_url: opened.url, title, draft };
        Ok(context.log.append(vec![event.into()]).await?)
    }

    /// What the model said at the end, when it came to one.
    async fn closing_words(&self, context: &Context) -> Result<Option<String>, StepError> {
        if verdicts::due_without_model(context.log.state()) != Some(Verdict::Publish) {
            return Ok(None);
        }
        let Some(reply) = &context.log.state().main.last_reply else { return Ok(None) };
        let reply = load_text(self.blobs.as_ref(), context.log.session_id(), &reply.message).await?;
        Ok(words::closing_words(&reply))
    }
}

fn is_own(context: &Context, base: &Base) -> bool {
    context.log.state().branch.as_ref().is_some_and(|own| own.branch == base.branch)
}

fn base(context: &Context) -> Result<Base, StepError> {
    context.log.state().base.clone().ok_or_else(|| internal("there is a change but no base"))
}

/// The answer to a wait that nothing has followed yet: this step came by the wait's time-out all the same.
fn answered_meanwhile(run: &RunState) -> Option<WaitOutcome> {
    match run.wait_outcome? {
        WaitOutcome::Expired | WaitOutcome::Cancelled => None,
        outcome @ (WaitOutcome::Approved
        | WaitOutcome::Rejected
        | WaitOutcome::PlanAnswered
        | WaitOutcome::Answered
        | WaitOutcome::Extended) => Some(outcome),
    }
}

fn overlaps(changes: &Changeset, changed: &[WorkspacePath]) -> bool {
    let ours: HashSet<&str> = changes.iter().map(|(path, _)| path.as_str()).collect();
    let theirs: HashSet<&str> = changed.iter().map(WorkspacePath::as_str).collect();
    let below = |paths: &HashSet<&str>, others: &[&WorkspacePath]| {
        others.iter().any(|path| path.directories().into_iter().any(|directory| paths.contains(directory)))
    };
    let our_paths: Vec<&WorkspacePath> = changes.iter().map(|(path, _)| path).collect();
    let their_paths: Vec<&WorkspacePath> = changed.iter().collect();
    !ours.is_disjoint(&theirs) || below(&ours, &their_paths) || below(&theirs, &our_paths)
}

fn collected(checkpoint: &Checkpoint, changes: &Changeset) -> ChangesetCollected {
    ChangesetCollected {
        blob: checkpoint.blob.clone(),
        files: u32::try_from(changes.len()).unwrap_or(u32::MAX),
        additions: checkpoint.content.additions,
        deletions: checkpoint.content.deletions,
        skipped: checkpoint.content.skipped.clone(),
    }
}

fn operated(base: &Base, operation: GitAction, commit: Option<CommitId>, detail: Option<String>) -> GitOperation {
    let (repository, branch) = (base.repository.clone(), Some(base.branch.clone()));
    GitOperation { operation, repository, branch, commit, detail }
}

fn draft_reason(run: &RunState, delivery: Delivery, moved: bool, expired: bool) -> Option<String> {
    if moved {
        return Some("the base branch moved while this was made, and conflicts with it".to_owned());
    }
    if expired {
        return Some("the run waited for an answer that did not come; the work is not finished".to_owned());
    }
    if delivery == Delivery::DraftPullRequest {
        return Some("a draft was asked for".to_owned());
    }
    words::draft_reason(run)
}
