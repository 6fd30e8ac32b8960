//! Cache breakpoints: up to where the service is to cache a prompt.
//!
//! The API allows four breakpoints in a request, and at each the service looks back at most twenty blocks for a cached prefix
//! (limits as of November 2026). They are placed:
//!
//! 1. after tools and system prompt, for an hour, because other sessions read this prefix, too ([`CacheControl::HOUR`] in the
//!    body);
//! 2. at the end of the previous request, which was cached last: so this prefix is found however long the turn since then was;
//! 3. in the middle of a turn of more than fifteen blocks; otherwise at the end of the request before the previous one, in case
//!    the previous one failed and cached nothing;
//! 4. at the end of the conversation, by the service itself (`cache_control` of the whole request).
//!
//! Signatures of thinking do not cover `cache_control`, so breakpoints may move from request to request. They are inserted into
//! the JSON text at the end of a block; every other byte stays as it was.

use std::borrow::Cow;

use domain::{CacheLifetime, RawJson};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Maximum blocks from a breakpoint to the end of the conversation: the service looks back twenty, less a margin.
const MAX_DISTANCE: usize = 15;

/// The value of a `cache_control` field.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct CacheControl {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'static str>,
}

impl CacheControl {
    pub(super) const HOUR: Self = Self { r#type: "ephemeral", ttl: Some("1h") };

    pub(super) fn new(lifetime: CacheLifetime) -> Self {
        match lifetime {
            CacheLifetime::FiveMinutes => Self { r#type: "ephemeral", ttl: None },
            CacheLifetime::Hour => Self::HOUR,
        }
    }

    fn json(self) -> String {
        match self.ttl {
            None => format!(r#"{{"type":"{}"}}"#, self.r#type),
            Some(ttl) => format!(r#"{{"type":"{}","ttl":"{ttl}"}}"#, self.r#type),
        }
    }
}

/// Inserts breakpoints 2 and 3 into the messages of a request.
pub(super) fn insert(messages: &[RawJson], lifetime: CacheLifetime) -> Vec<Cow<'_, RawJson>> {
    let mut sent: Vec<Cow<'_, RawJson>> = messages.iter().map(Cow::Borrowed).collect();
    let mut positions = positions(messages);
    // Latest first: an insertion shifts every later position in the same message.
    positions.sort_unstable();
    for Position { message, byte } in positions.into_iter().rev() {
        let mut text = sent[message].as_str().to_owned();
        text.insert_str(byte, &format!(r#","cache_control":{}"#, CacheControl::new(lifetime).json()));
        if let Ok(with_breakpoint) = RawJson::parse(text) {
            sent[message] = Cow::Owned(with_breakpoint);
        }
    }
    sent
}

/// Where a breakpoint can be inserted: the closing brace of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
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

/// The positions of breakpoints 2 and 3. Only the end of the conversation is parsed, so the cost does not grow with its length.
fn positions(messages: &[RawJson]) -> Vec<Position> {
    let mut found: Vec<Position> = Vec::new();
    // Ends of earlier requests passed so far: user messages that a reply follows.
    let mut request_ends = 0;
    let mut blocks_after = 0;
    let mut middle: Option<Position> = None;
    for (number, text) in messages.iter().enumerate().rev() {
        let Ok(message) = text.read::<Message<'_>>() else { break };
        let is_request_end = message.role == "user" && is_followed_by_reply(messages, number);
        let mut blocks = block_positions(text.as_str(), number, &message);
        blocks.reverse();
        if is_request_end {
            request_ends += 1;
            match (request_ends, middle) {
                // The turn since then is long and takes breakpoint 3 for its middle.
                (1, Some(middle)) => {
                    found.extend(blocks.iter().flatten().next());
                    found.push(middle);
                    return found;
                }
                (1 | 2, _) => found.extend(blocks.iter().flatten().next()),
                _ => {}
            }
            if request_ends == 2 {
                return found;
            }
        }
        if request_ends == 0 {
            for position in blocks {
                if blocks_after >= MAX_DISTANCE && middle.is_none() {
                    middle = position;
                }
                blocks_after += 1;
            }
        }
    }
    found.extend(middle.filter(|_| found.len() < 2));
    found
}

fn is_followed_by_reply(messages: &[RawJson], number: usize) -> bool {
    let next = messages.get(number + 1).and_then(|next| next.read::<Message<'_>>().ok());
    next.is_some_and(|next| next.role == "assistant")
}

/// For each block of a message the position of a breakpoint, or `None` if the block cannot have one.
fn block_positions(text: &str, message: usize, parsed: &Message<'_>) -> Vec<Option<Position>> {
    let Ok(blocks) = serde_json::from_str::<Vec<&RawValue>>(parsed.content.get()) else {
        // Content that is a string counts as a block but has no object to insert into.
        return vec![None];
    };
    let position = |raw: &&RawValue| {
        let block: Block<'_> = serde_json::from_str(raw.get()).ok()?;
        // The API refuses `cache_control` in other blocks, thinking among them.
        let is_cacheable = matches!(&*block.r#type, "text" | "tool_use" | "tool_result" | "image" | "document");
        // The block borrows from `text`, so the difference of the addresses is its offset.
        let start = (raw.get().as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
        let byte = start + raw.get().len().checked_sub(1)?;
        let is_closing_brace = text.get(byte..=byte) == Some("}");
        (is_cacheable && block.cache_control.is_none() && is_closing_brace).then_some(Position { message, byte })
    };
    blocks.iter().map(position).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(role: &str, kind: &str, blocks: usize) -> RawJson {
        let blocks: Vec<String> = (0..blocks).map(|number| format!(r#" {{"type":"{kind}",  "n":{number}}}"#)).collect();
        RawJson::parse(format!(r#"{{"role":"{role}","content":[{}]}}"#, blocks.join(","))).unwrap()
    }

    /// Message and block of each breakpoint.
    fn breakpoints(messages: &[RawJson]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        let sent = insert(messages, CacheLifetime::FiveMinutes);
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
    fn the_ends_of_the_last_two_requests_are_breakpoints() {
        let turn = [message("assistant", "tool_use", 3), message("user", "tool_result", 3)];
        let mut messages = vec![message("user", "text", 2)];
        assert_eq!(breakpoints(&messages), []);
        messages.extend(turn.clone());
        assert_eq!(breakpoints(&messages), [(0, 1)]);
        messages.extend(turn.clone());
        messages.extend(turn);
        assert_eq!(breakpoints(&messages), [(2, 2), (4, 2)]);
    }

    #[test]
    fn a_long_turn_has_a_breakpoint_in_its_middle() {
        let long = [message("assistant", "tool_use", 12), message("user", "tool_result", 12)];
        let mut messages = vec![message("user", "text", 1)];
        messages.extend(long.clone());
        messages.extend(long);
        // The end is 15 blocks after the middle breakpoint, which is 9 blocks after the end of the previous request.
        assert_eq!(breakpoints(&messages), [(2, 11), (3, 8)]);
        assert_eq!(breakpoints(&[message("user", "text", 40)]), [(0, 24)]);
    }

    #[test]
    fn thinking_and_plain_texts_have_no_breakpoint() {
        let messages = [
            RawJson::parse(r#"{"role":"user","content":"go"}"#).unwrap(),
            message("assistant", "thinking", 30),
            message("user", "text", 1),
        ];
        assert_eq!(breakpoints(&messages), []);
    }
}
