//! The pull request of a published branch.

use domain::ports::{PullRequestText, Readiness, load_text};
use domain::state::{Base, RunState};
use domain::text::one_line;
use domain::{Delivery, EventBody, INVOCATIONS_BEFORE_PUBLISHING, PrOpened, PrUpdated, StepError, StepOutput, Verdict};

use super::{OpenPr, base, text};
use crate::context::{Context, internal};
use crate::forge_stop::ForgeStop;

impl OpenPr {
    /// Opens or updates the pull request, if the request wants one, and ends the run.
    pub(super) async fn finish_publication(
        &self,
        context: &mut Context,
        moved: bool,
        expired: bool,
    ) -> Result<StepOutput, ForgeStop> {
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
        Ok(StepOutput::new(if run.failing.is_some() { Verdict::Failed } else { Verdict::Done }))
    }

    async fn pull_request(&self, context: &mut Context, base: &Base, draft: Option<String>) -> Result<(), ForgeStop> {
        let state = context.log.state();
        let run = context.run()?.clone();
        let session = context.session()?;
        let Some(branch) = state.branch.clone() else { return Err(internal("the branch is not in the log").into()) };
        let closing = self.closing_message(context).await?;
        let redactor = &context.common.redactor;
        let title = redactor.redact(&text::title(state)).into_owned();
        let body = text::body(state, &run, closing.as_deref(), draft.as_deref(), session.id.as_str());
        let text = PullRequestText {
            head: branch.branch.clone(),
            base: state.target_branch.clone().unwrap_or_else(|| base.branch.clone()),
            title: title.clone(),
            body: redactor.redact(&body).into_owned(),
            readiness: if draft.is_some() { Readiness::Draft } else { Readiness::Ready },
        };
        // An attempt that died after opening the pull request has not recorded it, so the forge is asked first.
        let existing = self.forge.find_pull_request(&base.repository, &branch.branch);
        if let Some(existing) = context.in_span("forge find_pull_request", existing).await? {
            let update = self.forge.update_pull_request(&base.repository, &existing, &text);
            context.in_span("forge update_pull_request", update).await?;
            let is_recorded = state.pull_request.as_ref().is_some_and(|known| known.number == existing.number);
            let event: EventBody = if is_recorded {
                PrUpdated { number: existing.number, pr_url: existing.url }.into()
            } else {
                PrOpened { number: existing.number, pr_url: existing.url, title, draft }.into()
            };
            return Ok(context.log.append(vec![event]).await?);
        }
        let created = self.forge.open_pull_request(&base.repository, &text);
        let created = context.in_span("forge open_pull_request", created).await?;
        let event = PrOpened { number: created.number, pr_url: created.url, title, draft };
        Ok(context.log.append(vec![event.into()]).await?)
    }

    /// The text of the model's last reply. None when the run stopped before the model ended its work.
    async fn closing_message(&self, context: &Context) -> Result<Option<String>, StepError> {
        if !context.log.state().work_has_ended() {
            return Ok(None);
        }
        let Some(reply) = &context.log.state().main.last_reply else { return Ok(None) };
        let reply = load_text(self.blobs.as_ref(), context.log.session_id(), &reply.message).await?;
        Ok(text::closing_message(&reply))
    }
}

/// Why the pull request is a draft, if it is one.
fn draft_reason(run: &RunState, delivery: Delivery, moved: bool, expired: bool) -> Option<String> {
    if moved {
        return Some("the base branch moved while this change was made, and conflicts with it".to_owned());
    }
    if expired {
        return Some("the run waited for an answer that did not come; the work is not finished".to_owned());
    }
    if let Some((_, message)) = &run.failing {
        let message = one_line(message);
        let message = message.trim_end_matches('.');
        return Some(format!("the run ended early ({message}); the work is not finished"));
    }
    if let Some(reason) = &run.checkpoint_failed {
        let reason = one_line(reason);
        return Some(format!("the workspace could not be read at the end ({reason}); this is the state before that"));
    }
    if run.step_count() >= INVOCATIONS_BEFORE_PUBLISHING || run.is_stalled() {
        return Some("the run reached its limit of steps; the work may not be finished".to_owned());
    }
    if run.changeset.as_ref().is_some_and(|changeset| !changeset.skipped.is_empty()) {
        return Some("not everything that was written could be published; see below".to_owned());
    }
    if delivery == Delivery::DraftPullRequest {
        return Some("a draft was requested".to_owned());
    }
    text::unverified_reason(run)
}
