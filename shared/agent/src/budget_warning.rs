//! Warns the model when the run's budget is nearly used up, while it can still complete its work.

use domain::state::SessionState;
use domain::{Author, BudgetLimit, BudgetNearing, Conversation, EventBody, UserMessage};

/// A warning about each limit that is near and was not announced in this run before. It becomes a new message after the
/// results of the last calls, so nothing that was sent before changes.
pub(crate) fn warnings(state: &SessionState) -> Vec<EventBody> {
    let Some(run) = state.run().filter(|run| run.budget.turns() > 0) else { return Vec::new() };
    let limits = run.budget.limits();
    // An extension changes the limits, so that a limit is announced again when it is near again.
    let is_announced = |limit: &BudgetLimit| run.nearing.contains(&(*limit, limits));
    let near: Vec<(BudgetLimit, String)> =
        run.budget.nearing().into_iter().filter(|(limit, _)| !is_announced(limit)).collect();
    if near.is_empty() {
        return Vec::new();
    }
    let sentences: Vec<&str> = near.iter().map(|(_, left)| left.as_str()).collect();
    let text = format!(
        "The budget of this run is nearly used up: {}. Finish now: complete what is essential, run the narrowest check that \
         shows that it works, and reply without a tool call. State what remains to be done.",
        sentences.join("; ")
    );
    let mut bodies: Vec<EventBody> =
        near.into_iter().map(|(limit, left)| BudgetNearing { limit, left }.into()).collect();
    bodies.push(UserMessage { conversation: Conversation::Main, author: Author::Nudge, text, answers: None }.into());
    bodies
}
