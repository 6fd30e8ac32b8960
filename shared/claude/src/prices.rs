//! What tokens cost.

use domain::{MicroDollars, Usage};
use serde::Deserialize;
use serde_json::Value;

use crate::object::Object;

/// Tokens of one reply, as far apart as prices tell them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tokens {
    pub(crate) input: u64,
    pub(crate) cache_read: u64,
    /// Written to the cache for five minutes, and all of which it is not known for how long.
    pub(crate) cache_write_5m: u64,
    pub(crate) cache_write_1h: u64,
    pub(crate) output: u64,
}

impl Tokens {
    /// Reads the API's `usage`; what is absent or no number counts as none.
    pub(crate) fn read(usage: &Object) -> Self {
        let number = |name| usage.get(name).and_then(|raw| serde_json::from_str::<u64>(raw.get()).ok()).unwrap_or(0);
        let split = usage.get("cache_creation").and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
        let hour = split.and_then(|split| split.get("ephemeral_1h_input_tokens")?.as_u64()).unwrap_or(0);
        let written = number("cache_creation_input_tokens");
        let cache_write_1h = hour.min(written);
        Self {
            input: number("input_tokens"),
            cache_read: number("cache_read_input_tokens"),
            cache_write_5m: written - cache_write_1h,
            cache_write_1h,
            output: number("output_tokens"),
        }
    }

    fn prompt(&self) -> u64 {
        [self.input, self.cache_read, self.cache_write_5m, self.cache_write_1h].into_iter().fold(0, u64::saturating_add)
    }
}

impl From<Tokens> for Usage {
    fn from(tokens: Tokens) -> Self {
        Self {
            input_tokens: tokens.input,
            cache_read_tokens: tokens.cache_read,
            cache_write_tokens: tokens.cache_write_5m.saturating_add(tokens.cache_write_1h),
            output_tokens: tokens.output,
        }
    }
}

/// The prices of a model.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Prices {
    /// The day from which they hold. For the reader of the file.
    #[expect(dead_code, reason = "part of the file's format, checked to be there")]
    effective_from: String,
    /// Where they were read. For the reader of the file.
    #[expect(dead_code, reason = "part of the file's format, checked to be there")]
    source: String,
    /// By the length of the prompt, shortest first; the last has no limit.
    tiers: Vec<Tier>,
}

/// Dollars per million tokens.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Tier {
    up_to_prompt_tokens: Option<u64>,
    input: f64,
    output: f64,
    #[serde(rename = "cacheWrite5m")]
    cache_write_5m: f64,
    #[serde(rename = "cacheWrite1h")]
    cache_write_1h: f64,
    cache_read: f64,
}

impl Prices {
    /// Whether the tiers rise and the last one is open.
    pub(crate) fn are_sound(&self) -> bool {
        let limits: Vec<u64> = self.tiers.iter().map(|tier| tier.up_to_prompt_tokens.unwrap_or(u64::MAX)).collect();
        limits.is_sorted_by(|shorter, longer| shorter < longer) && limits.last() == Some(&u64::MAX)
    }

    pub(crate) fn tier(&self, prompt_tokens: u64) -> Tier {
        let fits = |tier: &&Tier| tier.up_to_prompt_tokens.is_none_or(|limit| prompt_tokens <= limit);
        self.tiers.iter().find(fits).or(self.tiers.last()).copied().unwrap_or_default()
    }

    pub(crate) fn cost(&self, tokens: Tokens) -> MicroDollars {
        self.tier(tokens.prompt()).cost(tokens)
    }
}

impl Tier {
    /// The higher of two in each price.
    pub(crate) fn dearest(self, other: Self) -> Self {
        Self {
            up_to_prompt_tokens: None,
            input: self.input.max(other.input),
            output: self.output.max(other.output),
            cache_write_5m: self.cache_write_5m.max(other.cache_write_5m),
            cache_write_1h: self.cache_write_1h.max(other.cache_write_1h),
            cache_read: self.cache_read.max(other.cache_read),
        }
    }

    /// To the micro-dollar, rounded up.
    pub(crate) fn cost(self, tokens: Tokens) -> MicroDollars {
        sum([
            (tokens.input, self.input),
            (tokens.cache_read, self.cache_read),
            (tokens.cache_write_5m, self.cache_write_5m),
            (tokens.cache_write_1h, self.cache_write_1h),
            (tokens.output, self.output),
        ])
    }

    /// The most that a prompt and a reply of these lengths can cost, however the cache was used.
    pub(crate) fn worst_case(self, prompt_tokens: u64, output_tokens: u64) -> MicroDollars {
        sum([(prompt_tokens, self.input.max(self.cache_write_5m)), (output_tokens, self.output)])
    }
}

/// A dollar per million tokens is a micro-dollar per token, so prices have at most six decimals of that.
fn sum<const N: usize>(parts: [(u64, f64); N]) -> MicroDollars {
    const SCALE: f64 = 1e6;
    let scaled: u128 =
        parts.iter().map(|(tokens, price)| u128::from(*tokens) * u128::from((price * SCALE).round() as u64)).sum();
    MicroDollars(u64::try_from(scaled.div_ceil(SCALE as u128)).unwrap_or(u64::MAX))
}
