//! The prompt cache, as far as it shows in `usage`.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::cache_breakpoint::{self, Lifetime};
use super::digest::{Digest, ShortHash};
use super::request::{Request, tokens_of};

/// Minimum tokens of a cached prefix: the limit of the models of the 5.x families. Older models have higher ones.
const MIN_PREFIX_TOKENS: u64 = 512;

/// Maximum blocks before a breakpoint at which the service looks for a cached prefix.
const MAX_LOOK_BACK: usize = 20;

/// The cached prefixes.
#[derive(Default)]
pub(crate) struct Cache {
    entries: HashMap<ShortHash, Entry>,
}

struct Entry {
    expires: Duration,
    lifetime: Lifetime,
}

/// The tokens of a prompt, split by price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PromptTokens {
    pub(crate) input: u64,
    pub(crate) read: u64,
    pub(crate) written_5m: u64,
    pub(crate) written_1h: u64,
}

/// The conversation up to and including one block.
struct Prefix {
    hash: ShortHash,
    tokens: u64,
    breakpoint: Option<Lifetime>,
}

impl PromptTokens {
    /// The `usage` of a message.
    pub(crate) fn usage(self, output_tokens: u64) -> Value {
        let mut usage = self.final_usage(output_tokens);
        usage["cache_creation"] = json!({
            "ephemeral_5m_input_tokens": self.written_5m,
            "ephemeral_1h_input_tokens": self.written_1h,
        });
        usage["service_tier"] = json!("standard");
        usage
    }

    /// The `usage` of a `message_delta`, which has fewer fields.
    pub(crate) fn final_usage(self, output_tokens: u64) -> Value {
        json!({
            "input_tokens": self.input,
            "cache_creation_input_tokens": self.written_5m + self.written_1h,
            "cache_read_input_tokens": self.read,
            "output_tokens": output_tokens,
        })
    }
}

impl Cache {
    /// Counts the tokens of a prompt and caches its prefixes that end at a breakpoint.
    pub(crate) fn charge(&mut self, request: &Request, now: Duration) -> PromptTokens {
        self.entries.retain(|_, entry| entry.expires > now);
        let prefixes = prefixes(request);
        let total = prefixes.last().map_or(0, |prefix| prefix.tokens);
        let read = self.read(&prefixes, now);
        let mut prompt = PromptTokens { read, ..PromptTokens::default() };
        let mut cached = read;
        for prefix in prefixes.iter().filter(|prefix| prefix.tokens >= MIN_PREFIX_TOKENS) {
            let Some(lifetime) = prefix.breakpoint else {
                continue;
            };
            let written = prefix.tokens.saturating_sub(cached);
            match lifetime {
                Lifetime::FiveMinutes => prompt.written_5m += written,
                Lifetime::Hour => prompt.written_1h += written,
            }
            cached = cached.max(prefix.tokens);
            self.entries.insert(prefix.hash, Entry { expires: now + lifetime.duration(), lifetime });
        }
        prompt.input = total.max(1) - cached.min(total);
        prompt
    }

    /// The tokens of the longest cached prefix near a breakpoint. Reading an entry renews it.
    fn read(&mut self, prefixes: &[Prefix], now: Duration) -> u64 {
        let with_breakpoint = prefixes.iter().enumerate().filter(|(_, prefix)| prefix.breakpoint.is_some());
        let mut longest = 0;
        for (position, _) in with_breakpoint {
            for prefix in prefixes[..=position].iter().rev().take(MAX_LOOK_BACK + 1) {
                if let Some(entry) = self.entries.get_mut(&prefix.hash) {
                    entry.expires = now + entry.lifetime.duration();
                    longest = longest.max(prefix.tokens);
                    break;
                }
            }
        }
        longest
    }
}

fn prefixes(request: &Request) -> Vec<Prefix> {
    let mut digest = Digest::default();
    digest.add_text(&request.model.id);
    let mut tokens = 0;
    let mut prefixes = Vec::new();
    for (kind, block) in request.blocks() {
        digest.add_text(kind);
        digest.add(block);
        tokens += tokens_of(block);
        // The request was checked, so every breakpoint can be parsed.
        let own = cache_breakpoint::of_block(block, kind).unwrap_or_default();
        let last_part = cache_breakpoint::of_parts(block, kind).unwrap_or_default().pop();
        prefixes.push(Prefix { hash: digest.short(), tokens, breakpoint: own.or(last_part) });
    }
    if let (Some(last), Ok(automatic)) = (prefixes.last_mut(), cache_breakpoint::automatic(request)) {
        last.breakpoint = last.breakpoint.or(automatic);
    }
    prefixes
}
