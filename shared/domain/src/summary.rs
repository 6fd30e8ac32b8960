//! The summary of a session that lists show, derived from its log.

use jiff::Timestamp;

use crate::MicroDollars;
use crate::ports::SessionSummary;
use crate::state::SessionState;
use crate::text::{first_line, shorten};

/// Limit of a summary's title.
const MAX_TITLE_CHARACTERS: usize = 80;

/// The summary of a session as of `now`; none before its first run.
pub fn summary_of(state: &SessionState, now: Timestamp) -> Option<SessionSummary> {
    let session = state.session.as_ref()?;
    let run = state.run()?;
    let title = match &state.plan {
        Some(plan) => plan.content.title.clone(),
        None => first_line(&session.request.prompt).to_owned(),
    };
    Some(SessionSummary {
        id: session.id.clone(),
        owner: session.owner.clone(),
        created_at: session.created_at,
        updated_at: now,
        repo_url: session.request.repo_url.clone(),
        title: shorten(&title, MAX_TITLE_CHARACTERS).into_owned(),
        run: run.number,
        status: run.status,
        cost: state.runs.iter().map(|run| run.budget.spent()).sum::<MicroDollars>(),
        pr_url: state.pull_request.as_ref().map(|opened| opened.pr_url.clone()),
        sandbox_left: !state.leftovers.is_empty(),
    })
}
