//! Why the cache did not hold what was sent before.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::digest::{Digest, Short, canonical};
use super::request::Request;

/// What is known of the requests that were answered, by the id of the answer.
#[derive(Default)]
pub(crate) struct Known(HashMap<String, Sent>);

struct Sent {
    model: String,
    system: Short,
    tools: Short,
    blocks: usize,
    messages: Short,
    tokens: u64,
}

impl Known {
    /// Remembers a request, and says what the one before it has to do with it when that is asked.
    pub(crate) fn compare(&mut self, request: &Request, answer: &str) -> Value {
        let asked = request.body.get("diagnostics").filter(|asked| !asked.is_null());
        let previous = asked.and_then(|asked| asked["previous_message_id"].as_str());
        let diagnostics = previous.map_or(Value::Null, |id| self.diagnose(request, id));
        self.0.insert(answer.to_owned(), Sent::of(request));
        diagnostics
    }

    fn diagnose(&self, request: &Request, previous: &str) -> Value {
        let Some(sent) = self.0.get(previous) else {
            return json!({ "cache_miss_reason": { "type": "previous_message_not_found" } });
        };
        let now = Sent::of(request);
        let reason = if sent.model != now.model {
            "model_changed"
        } else if sent.system != now.system {
            "system_changed"
        } else if sent.tools != now.tools {
            "tools_changed"
        } else if sent.messages != messages(request, sent.blocks) {
            "messages_changed"
        } else {
            return Value::Null;
        };
        json!({ "cache_miss_reason": { "type": reason, "cache_missed_input_tokens": sent.tokens } })
    }
}

impl Sent {
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

/// The first so many blocks of the messages.
fn messages(request: &Request, blocks: usize) -> Short {
    let mut digest = Digest::default();
    let all = request.messages.iter().flat_map(|message| message.blocks.iter().map(move |block| (message.role, block)));
    for (role, block) in all.take(blocks) {
        digest.add_text(role.name());
        digest.add_text(&canonical(block));
    }
    digest.short()
}
