//! The commit and the branch that holds it.

use domain::ports::{Publication, Published};
use domain::state::Base;
use domain::{BranchPublished, Changeset, GitAction, PublishStarted, StepError, StepOutput, Verdict};

use super::{OpenPr, RESERVE, git_operation, text};
use crate::context::{Context, internal};
use crate::forge_stop::ForgeStop;

impl OpenPr {
    /// Puts the commit on the branch. The forge works in portions; when they do not fit this invocation, the result is the
    /// answer that continues in another one.
    pub(super) async fn publish_branch(
        &self,
        context: &mut Context,
        base: &Base,
        changes: Changeset,
        moved: bool,
    ) -> Result<Option<StepOutput>, ForgeStop> {
        let publication = self.publication(context, base, changes, moved).await?;
        loop {
            let published = self.forge.publish(&base.repository, &publication);
            match context.in_span("forge publish", published).await? {
                Published::Done { commit, url } => {
                    let branch = publication.branch.clone();
                    let target = Base { branch: branch.clone(), ..base.clone() };
                    context
                        .log
                        .append(vec![
                            git_operation(&target, GitAction::Commit, Some(commit.clone()), None).into(),
                            git_operation(&target, GitAction::UpdateBranch, Some(commit.clone()), None).into(),
                            BranchPublished { branch, commit, url }.into(),
                        ])
                        .await?;
                    return Ok(None);
                }
                Published::More if context.time_left() > RESERVE => {}
                Published::More => return Ok(Some(StepOutput::new(Verdict::Publish))),
            }
        }
    }

    /// The publication, with branch, message, parent and date from the log. The first attempt records them before it
    /// publishes, so that every attempt makes the same commit.
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
            let title = redactor.redact(&text::title(state)).into_owned();
            let message = redactor.redact(&text::commit_message(state, &title, &session)).into_owned();
            // A follow-up continues on the session's own branch, unless others keep moving it.
            let own = state.branch.as_ref().filter(|own| own.branch == base.branch && !moved);
            let branch = match own {
                Some(own) => own.branch.clone(),
                None => {
                    let suffix = state.branch.as_ref().map(|_| context.input.run.to_string());
                    text::branch(&title, &session, suffix.as_deref())
                }
            };
            let started = PublishStarted { branch, message, parent: base.commit.clone() };
            context.log.append(vec![started.into()]).await?;
        }
        let run = context.run()?.clone();
        let (started, date) = run.publishing.ok_or_else(|| internal("publishing has started but is not in the log"))?;
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
}
