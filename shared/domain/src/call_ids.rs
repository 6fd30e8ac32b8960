//! The ids of tool calls.

use std::collections::BTreeSet;

use crate::{CallId, TurnNumber};

/// Maximum length of a received id that is taken over.
const MAX_LENGTH: usize = 128;

/// The ids of the tool calls of one reply, in its order, from the ids that were `received` with them. `earlier` are the ids of
/// the conversation before.
///
/// The service and the log identify a call by its id, so no two calls of a conversation may share one. A gateway before the
/// service may repeat ids, or use characters that the service does not take back (`functions.bash:0`). Such a call gets an id of
/// ours, made of its turn and position. The events of the reply record the ids, and everything later reads them there.
pub fn call_ids(turn: TurnNumber, received: &[&str], earlier: &BTreeSet<CallId>) -> Vec<CallId> {
    let mut ids: Vec<CallId> = Vec::with_capacity(received.len());
    for (index, text) in received.iter().enumerate() {
        let is_new = |id: &CallId| !ids.contains(id) && !earlier.contains(id);
        let own = (0..).filter_map(|again| own_id(turn, index + 1, again).parse().ok());
        let id = valid(text).into_iter().chain(own).find(is_new);
        ids.extend(id);
    }
    ids
}

/// The received id, when the service takes it back.
fn valid(text: &str) -> Option<CallId> {
    let is_valid = (1..=MAX_LENGTH).contains(&text.len()) && is_word(text);
    is_valid.then(|| text.parse().ok())?
}

/// `again` counts the ids of this form that somebody else has given already.
fn own_id(turn: TurnNumber, position: usize, again: u32) -> String {
    match again {
        0 => format!("call_t{turn}_{position}"),
        again => format!("call_t{turn}_{position}_{again}"),
    }
}

/// Whether a text has only the characters that the service allows in ids and names: ASCII letters, digits, `_` and `-`.
pub(crate) fn is_word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(received: &[&str], earlier: &[&str]) -> Vec<String> {
        let earlier = earlier.iter().map(|id| id.parse().unwrap()).collect();
        call_ids(TurnNumber(12), received, &earlier).into_iter().map(String::from).collect()
    }

    #[test]
    fn an_id_that_is_new_and_can_be_sent_back_is_kept() {
        assert_eq!(named(&["toolu_1", "toolu-2"], &["toolu_0"]), ["toolu_1", "toolu-2"]);
    }

    #[test]
    fn every_other_call_gets_an_id_of_its_turn_and_position() {
        assert_eq!(named(&["a", "a", "b"], &["b"]), ["a", "call_t12_2", "call_t12_3"]);
        let long = "x".repeat(129);
        let odd = ["", "functions.bash:0", "ä", "a b", &long];
        let own = [1, 2, 3, 4, 5].map(|position| format!("call_t12_{position}"));
        assert_eq!(named(&odd, &[]), own);
        assert_eq!(named(&["call_t12_2", ""], &["call_t12_2_1"]), ["call_t12_2", "call_t12_2_2"]);
    }
}
