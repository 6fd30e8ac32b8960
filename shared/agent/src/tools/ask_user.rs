//! `ask_user`: one question to the user, after the turn's other calls.

use serde::Deserialize;

/// The longest question, in characters.
pub(crate) const MAX_QUESTION_CHARACTERS: usize = 4000;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskUser {
    pub question: String,
}
