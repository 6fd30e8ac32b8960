//! `record_decision`: a choice between real alternatives, for the people who review the change.

use domain::Decision;

use super::Answer;

/// The longest text of a decision, in characters.
const MAX_TEXT: usize = 1000;

/// So many alternatives are taken.
const MAX_ALTERNATIVES: usize = 10;

/// What the model states, once it is of a length that can be shown.
pub(crate) fn answer(decision: &Decision) -> Answer {
    let texts = [&decision.decision, &decision.reason].into_iter().chain(&decision.alternatives);
    if decision.decision.trim().is_empty() || decision.reason.trim().is_empty() {
        return Answer::failed("A decision needs its reason.");
    }
    if decision.alternatives.len() > MAX_ALTERNATIVES || texts.clone().any(|text| text.chars().count() > MAX_TEXT) {
        return Answer::failed(format!(
            "A decision has at most {MAX_ALTERNATIVES} alternatives, and each text at most {MAX_TEXT} characters."
        ));
    }
    Answer { decision: Some(decision.clone()), ..Answer::ok("Recorded.") }
}
