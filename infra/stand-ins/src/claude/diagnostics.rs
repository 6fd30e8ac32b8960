//! Diagnostics of cache misses: how a request differs from the one it continues.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::canonical::canonical;
use super::digest::{Digest, ShortHash};
use super::request::Request;

/// The requests that were answered, by the id of the reply.
#[derive(Default)]
pub(crate) struct SentRequests(HashMap<String, Summary>);

struct Summary {
    model: String,
    system: ShortHash,
    tools: ShortHash,
    /// Number of blocks in the messages.
    blocks: usize,
    messages: ShortHash,
    tokens: u64,
}

impl SentRequests {
    /// Stores a request under the id of its reply and returns the `diagnostics` it asks for.
    pub(crate) fn add(&mut self, request: &Request, reply: &str) -> Value {
        let wanted = request.body.get("diagnostics").filter(|wanted| !wanted.is_null());
        let previous = wanted.and_then(|wanted| wanted["previous_message_id"].as_str());
        let diagnostics = previous.map_or(Value::Null, |id| self.diagnose(request, id));
        self.0.insert(reply.to_owned(), Summary::of(request));
        diagnostics
    }

    fn diagnose(&self, request: &Request, previous: &str) -> Value {
        let Some(sent) = self.0.get(previous) else {
            return json!({ "cache_miss_reason": { "type": "previous_message_not_found" } });
        };
        let current = Summary::of(request);
        let reason = if sent.model != current.model {
            "model_changed"
        } else if sent.system != current.system {
            "system_changed"
        } else if sent.tools != current.tools {
            "tools_changed"
        } else if sent.messages != messages(request, sent.blocks) {
            "messages_changed"
        } else {
            return Value::Null;
        };
        json!({ "cache_miss_reason": { "type": reason, "cache_missed_input_tokens": sent.tokens } })
    }
}

impl Summary {
    fn of(request: &Request) -> Self {
        let digest = |blocks: &[Value]| {
            let mut digest = Digest::default();
            blocks.iter().for_each(|block| digest.add(block));
            digest.short()
        };
        let blocks = request.messages.iter().map(|message| message.blocks.len()).sum();
        Self {
            model: request.model.id.clone(),
            system: digest(&request.system),
            tools: digest(&request.tools),
            blocks,
            messages: messages(request, blocks),
            tokens: request.tokens(),
        }
    }
}

/// A hash of the first `count` blocks of the messages.
fn messages(request: &Request, count: usize) -> ShortHash {
    let mut digest = Digest::default();
    let all = request.messages.iter().flat_map(|message| message.blocks.iter().map(move |block| (message.role, block)));
    for (role, block) in all.take(count) {
        digest.add_text(role.name());
        digest.add_text(&canonical(block));
    }
    digest.short()
}
