//! `record_decision`: a choice between real alternatives, for the people who review the change.

use domain::Decision;

use super::Answer;

/// The longest text of a decision, in characters.
const LONGEST_TEXT: usize = 1000;

/// So many alternatives are taken.
const MOST_ALTERNATIVES: usize = 10;

/// What the model states, once it is of a length that can be shown.
pub(crate) fn answer(decision: &Decision) -> Answer {
    let texts = [&decision.decision, &decision.reason].into_iter().chain(&decision.alternatives);
    if decision.decision.trim().is_empty() || decision.reason.trim().is_empty() {
        return Answer::failed("A decision needs its reason.");
    }
    if decision.alternatives.len() > MOST_ALTERNATIVES || texts.clone().any(|text| text.chars().count() > LONGEST_TEXT)
    {
        return Answer::failed(format!(
            "A decision has at most {MOST_ALTERNATIVES} alternatives, and each text at most {LONGEST_TEXT} characters."
        ));
    }
    Answer { decision: Some(decision.clone()), ..Answer::ok("Recorded.") }
}
