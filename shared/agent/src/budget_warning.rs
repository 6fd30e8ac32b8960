//! Telling the model that its budget is nearly used, while there is still time to end well.

use domain::state::SessionState;
use domain::{Author, BudgetLimit, BudgetNearing, Conversation, EventBody, UserMessage};

/// The events that tell the model which limits are near, each once for a run and a limit. They follow the results of its
/// last calls, so what was sent before stays as it was.
pub(crate) fn warnings(state: &SessionState) -> Vec<EventBody> {
    let Some(run) = state.run().filter(|run| run.budget.turns() > 0) else { return Vec::new() };
    let limits = run.budget.limits();
    let told = |limit: &BudgetLimit| run.nearing.contains(&(*limit, limits));
    let near: Vec<(BudgetLimit, String)> = run.budget.nearing().into_iter().filter(|(limit, _)| !told(limit)).collect();
    if near.is_empty() {
        return Vec::new();
    }
    let sentences: Vec<&str> = near.iter().map(|(_, left)| left.as_str()).collect();
    let text = format!(
        "The budget of this run is nearly used: {}. Bring the work to an end: finish what is essential, run the narrowest \
         check that shows it works, and reply without a tool call. Say what is left.",
        sentences.join("; ")
    );
    let mut bodies: Vec<EventBody> =
        near.into_iter().map(|(limit, left)| BudgetNearing { limit, left }.into()).collect();
    bodies.push(UserMessage { conversation: Conversation::Main, author: Author::Nudge, text, answers: None }.into());
    bodies
}
