//! Marks for the prompt cache: up to where the service is to keep what it has read.
//!
//! A request may bear four marks, and each finds what was kept at most twenty blocks before it. They are set so:
//!
//! 1. after tools and system prompt, for an hour: further sessions read it too;
//! 2. after the messages of the request before this one: that is what was kept last, found however long the turn was;
//! 3. in the middle of a turn of more than fifteen blocks, otherwise after the messages of the request before that, should
//!    the last one have come to nothing;
//! 4. by the service, at the end of the conversation.
//!
//! A mark is no part of the conversation to which thinking is bound, so it may move. It is written into the text of a message
//! at the end of a block; every other byte stays.

use std::borrow::Cow;

use domain::{CacheLifetime, RawJson};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// So far apart marks may be: with a margin to the twenty blocks that are looked back.
const FARTHEST: usize = 15;

/// As a request has it.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Mark {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'static str>,
}

impl Mark {
    pub(crate) const HOUR: Self = Self { r#type: "ephemeral", ttl: Some("1h") };

    pub(crate) fn of(lifetime: CacheLifetime) -> Self {
        match lifetime {
            CacheLifetime::FiveMinutes => Self { r#type: "ephemeral", ttl: None },
            CacheLifetime::Hour => Self::HOUR,
        }
    }

    fn text(self) -> String {
        match self.ttl {
            None => format!(r#"{{"type":"{}"}}"#, self.r#type),
            Some(ttl) => format!(r#"{{"type":"{}","ttl":"{ttl}"}}"#, self.r#type),
        }
    }
}

/// The messages with their marks.
pub(crate) fn marked(messages: &[RawJson], lifetime: CacheLifetime) -> Vec<Cow<'_, RawJson>> {
    let mut sent: Vec<Cow<'_, RawJson>> = messages.iter().map(Cow::Borrowed).collect();
    let mut places = places(messages);
    // From the end, so that an earlier place in the same message is still where it was found.
    places.sort_unstable();
    for Place { message, byte } in places.into_iter().rev() {
        let mut text = sent[message].as_str().to_owned();
        text.insert_str(byte, &format!(r#","cache_control":{}"#, Mark::of(lifetime).text()));
        if let Ok(marked) = RawJson::parse(text) {
            sent[message] = Cow::Owned(marked);
        }
    }
    sent
}

/// Where a mark can be written: before the end of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    message: usize,
    byte: usize,
}

#[derive(Deserialize)]
struct Message<'a> {
    role: Cow<'a, str>,
    #[serde(borrow)]
    content: &'a RawValue,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    cache_control: Option<&'a RawValue>,
}

/// The blocks of the end of a conversation, latest first, until there is nothing more to find. Only the end is read: a long
/// conversation does not cost more than a short one.
fn places(messages: &[RawJson]) -> Vec<Place> {
    let mut found: Vec<Place> = Vec::new();
    // The user's messages passed so far, latest first; each was the end of a request.
    let mut ends = 0;
    let mut blocks_after = 0;
    let mut middle: Option<Place> = None;
    for (number, text) in messages.iter().enumerate().rev() {
        let Ok(message) = text.read::<Message<'_>>() else { break };
        let is_end = message.role == "user" && followed_by_reply(messages, number);
        let mut blocks = places_in(text.as_str(), number, &message);
        blocks.reverse();
        if is_end {
            ends += 1;
            match (ends, middle) {
                // A long turn has its mark in the middle, and no slot is left.
                (1, Some(middle)) => {
                    found.extend(blocks.iter().flatten().next());
                    found.push(middle);
                    return found;
                }
                (1 | 2, _) => found.extend(blocks.iter().flatten().next()),
                _ => {}
            }
            if ends == 2 {
                return found;
            }
        }
        if ends == 0 {
            for place in blocks {
                if blocks_after >= FARTHEST && middle.is_none() {
                    middle = place;
                }
                blocks_after += 1;
            }
        }
    }
    found.extend(middle.filter(|_| found.len() < 2));
    found
}

/// Whether a request ended with this message: a reply follows it.
fn followed_by_reply(messages: &[RawJson], number: usize) -> bool {
    let next = messages.get(number + 1).and_then(|next| next.read::<Message<'_>>().ok());
    next.is_some_and(|next| next.role == "assistant")
}

/// Each block of a message with the place for its mark, if it may bear one.
fn places_in(text: &str, message: usize, read: &Message<'_>) -> Vec<Option<Place>> {
    let Ok(blocks) = serde_json::from_str::<Vec<&RawValue>>(read.content.get()) else {
        // A plain text is a block too, but has no place for a mark.
        return vec![None];
    };
    let place = |raw: &&RawValue| {
        let block: Block<'_> = serde_json::from_str(raw.get()).ok()?;
        let may = matches!(&*block.r#type, "text" | "tool_use" | "tool_result" | "image" | "document");
        // The block is a part of the text, so the distance of their beginnings is its place there.
        let start = (raw.get().as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
        let byte = start + raw.get().len().checked_sub(1)?;
        let fits = text.get(byte..=byte) == Some("}");
        (may && block.cache_control.is_none() && fits).then_some(Place { message, byte })
    };
    blocks.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(role: &str, kind: &str, blocks: usize) -> RawJson {
        let blocks: Vec<String> = (0..blocks).map(|number| format!(r#" {{"type":"{kind}",  "n":{number}}}"#)).collect();
        RawJson::parse(format!(r#"{{"role":"{role}","content":[{}]}}"#, blocks.join(","))).unwrap()
    }

    /// Message and block of each mark.
    fn cache_breakpoints(messages: &[RawJson]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        let sent = marked(messages, CacheLifetime::FiveMinutes);
        for (number, (sent, given)) in sent.iter().zip(messages).enumerate() {
            let removed = sent.as_str().replace(r#","cache_control":{"type":"ephemeral"}"#, "");
            assert_eq!(removed, given.as_str(), "every other byte stays");
            let message: serde_json::Value = sent.read().unwrap();
            for (position, block) in message["content"].as_array().into_iter().flatten().enumerate() {
                if !block["cache_control"].is_null() {
                    found.push((number, position));
                }
            }
        }
        found
    }

    #[test]
    fn the_ends_of_the_last_two_requests_are_marked() {
        let turn = [message("assistant", "tool_use", 3), message("user", "tool_result", 3)];
        let mut messages = vec![message("user", "text", 2)];
        assert_eq!(cache_breakpoints(&messages), []);
        messages.extend(turn.clone());
        assert_eq!(cache_breakpoints(&messages), [(0, 1)]);
        messages.extend(turn.clone());
        messages.extend(turn);
        assert_eq!(cache_breakpoints(&messages), [(2, 2), (4, 2)]);
    }

    #[test]
    fn a_long_turn_has_a_mark_in_its_middle() {
        let long = [message("assistant", "tool_use", 12), message("user", "tool_result", 12)];
        let mut messages = vec![message("user", "text", 1)];
        messages.extend(long.clone());
        messages.extend(long);
        // The end is 15 blocks after the one in the middle, which is 9 blocks after the end of the request before.
        assert_eq!(cache_breakpoints(&messages), [(2, 11), (3, 8)]);
        assert_eq!(cache_breakpoints(&[message("user", "text", 40)]), [(0, 24)]);
    }

    #[test]
    fn thinking_and_plain_texts_bear_no_mark() {
        let messages = [
            RawJson::parse(r#"{"role":"user","content":"go"}"#).unwrap(),
            message("assistant", "thinking", 30),
            message("user", "text", 1),
        ];
        assert_eq!(cache_breakpoints(&messages), []);
    }
}
