//! The prompt cache, as far as the usage figures show it.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::check::cache_breakpoints::{self, Lifetime};
use super::digest::{Digest, Short};
use super::request::{Request, tokens_of};

/// Shorter prefixes are not kept.
const MIN_CACHEABLE_TOKENS: u64 = 512;

/// How many blocks before a mark a kept prefix is looked for.
const LOOK_BACK: usize = 20;

/// Prefixes that were sent before, and until when they are kept.
#[derive(Default)]
pub(crate) struct Cache {
    kept: HashMap<Short, Entry>,
}

struct Entry {
    until: Duration,
    lifetime: Lifetime,
}

/// How a prompt was charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Prompt {
    pub(crate) input: u64,
    pub(crate) read: u64,
    pub(crate) written_5m: u64,
    pub(crate) written_1h: u64,
}

/// The conversation up to and with one block.
struct Prefix {
    digest: Short,
    tokens: u64,
    mark: Option<Lifetime>,
}

impl Lifetime {
    fn duration(self) -> Duration {
        match self {
            Self::FiveMinutes => Duration::from_secs(5 * 60),
            Self::Hour => Duration::from_secs(60 * 60),
        }
    }
}

impl Prompt {
    /// As in the `usage` of a message.
    pub(crate) fn usage(self, output_tokens: u64) -> Value {
        let mut usage = self.counts(output_tokens);
        usage["cache_creation"] = json!({
            "ephemeral_5m_input_tokens": self.written_5m,
            "ephemeral_1h_input_tokens": self.written_1h,
        });
        usage["service_tier"] = json!("standard");
        usage
    }

    /// As in the `usage` at the end of a stream, which says less.
    pub(crate) fn counts(self, output_tokens: u64) -> Value {
        json!({
            "input_tokens": self.input,
            "cache_creation_input_tokens": self.written_5m + self.written_1h,
            "cache_read_input_tokens": self.read,
            "output_tokens": output_tokens,
        })
    }
}

impl Cache {
    /// Charges a prompt and keeps its marked prefixes.
    pub(crate) fn charge(&mut self, request: &Request, now: Duration) -> Prompt {
        self.kept.retain(|_, entry| entry.until > now);
        let prefixes = prefixes(request);
        let total = prefixes.last().map_or(0, |prefix| prefix.tokens);
        let read = self.find(&prefixes, now);
        let mut prompt = Prompt { read, ..Prompt::default() };
        let mut reached = read;
        for prefix in prefixes.iter().filter(|prefix| prefix.tokens >= MIN_CACHEABLE_TOKENS) {
            let Some(lifetime) = prefix.mark else {
                continue;
            };
            let more = prefix.tokens.saturating_sub(reached);
            match lifetime {
                Lifetime::FiveMinutes => prompt.written_5m += more,
                Lifetime::Hour => prompt.written_1h += more,
            }
            reached = reached.max(prefix.tokens);
            self.kept.insert(prefix.digest, Entry { until: now + lifetime.duration(), lifetime });
        }
        prompt.input = total.max(1) - reached.min(total);
        prompt
    }

    /// The longest kept prefix near a mark. Reading renews it.
    fn find(&mut self, prefixes: &[Prefix], now: Duration) -> u64 {
        let marked = prefixes.iter().enumerate().filter(|(_, prefix)| prefix.mark.is_some());
        let mut longest = 0;
        for (position, _) in marked {
            for prefix in prefixes[..=position].iter().rev().take(LOOK_BACK + 1) {
                if let Some(entry) = self.kept.get_mut(&prefix.digest) {
                    entry.until = now + entry.lifetime.duration();
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
    for (place, block) in request.blocks() {
        digest.add_text(place);
        digest.add(block);
        tokens += tokens_of(block);
        // Marks were checked before; one that cannot be read is none.
        let own = cache_breakpoints::read(block.get("cache_control"), place).ok().flatten();
        let inner = block.get("content").and_then(Value::as_array).into_iter().flatten();
        let mut inner =
            inner.filter_map(|part| cache_breakpoints::read(part.get("cache_control"), place).ok().flatten());
        prefixes.push(Prefix { digest: digest.short(), tokens, mark: own.or(inner.next_back()) });
    }
    if let (Some(last), Ok(automatic)) = (prefixes.last_mut(), cache_breakpoints::automatic(request)) {
        last.mark = last.mark.or(automatic);
    }
    prefixes
}
