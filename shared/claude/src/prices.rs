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

/// A day as `2026-10-07`, in UTC. In this form days sort as they follow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub(crate) struct Day(pub(crate) String);

impl Day {
    /// Later than any: the last prices that are known.
    pub(crate) fn last() -> Self {
        Self("9999-12-31".to_owned())
    }

    fn is_sound(&self) -> bool {
        let is_digit = |byte: u8| byte.is_ascii_digit();
        self.0.len() == 10
            && self
                .0
                .bytes()
                .enumerate()
                .all(|(at, byte)| if matches!(at, 4 | 7) { byte == b'-' } else { is_digit(byte) })
    }
}

/// The prices of a model, oldest first.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct Prices(Vec<Row>);

/// The prices from a day on.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Row {
    effective_from: Day,
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
    /// Whether there are any, the days follow each other, the tiers rise and the last one is open.
    pub(crate) fn are_sound(&self) -> bool {
        let days = self.0.iter().map(|row| &row.effective_from);
        !self.0.is_empty()
            && days.clone().all(Day::is_sound)
            && days.is_sorted_by(|earlier, later| earlier < later)
            && self.0.iter().all(Row::is_sound)
    }

    /// What holds on a day for a prompt of this length; on a day before all of them, the first.
    pub(crate) fn tier(&self, day: &Day, prompt_tokens: u64) -> Tier {
        let holds = |row: &&Row| row.effective_from <= *day;
        let row = self.0.iter().rev().find(holds).or(self.0.first());
        row.map(|row| row.tier(prompt_tokens)).unwrap_or_default()
    }

    /// The highest of each price that ever held.
    pub(crate) fn dearest(&self) -> Tier {
        self.0.iter().flat_map(|row| &row.tiers).copied().reduce(Tier::dearest).unwrap_or_default()
    }

    pub(crate) fn cost(&self, day: &Day, tokens: Tokens) -> MicroDollars {
        self.tier(day, tokens.prompt()).cost(tokens)
    }
}

impl Row {
    fn is_sound(&self) -> bool {
        let limits: Vec<u64> = self.tiers.iter().map(|tier| tier.up_to_prompt_tokens.unwrap_or(u64::MAX)).collect();
        limits.is_sorted_by(|shorter, longer| shorter < longer) && limits.last() == Some(&u64::MAX)
    }

    fn tier(&self, prompt_tokens: u64) -> Tier {
        let fits = |tier: &&Tier| tier.up_to_prompt_tokens.is_none_or(|limit| prompt_tokens <= limit);
        self.tiers.iter().find(fits).or(self.tiers.last()).copied().unwrap_or_default()
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

    /// The most that a prompt and a reply of these lengths can cost, however the cache was used. `hour_tokens` of the
    /// prompt may be written to it for an hour.
    pub(crate) fn worst_case(self, prompt_tokens: u64, hour_tokens: u64, output_tokens: u64) -> MicroDollars {
        let short = self.input.max(self.cache_write_5m);
        let hour_tokens = hour_tokens.min(prompt_tokens);
        sum([
            (prompt_tokens - hour_tokens, short),
            (hour_tokens, short.max(self.cache_write_1h)),
            (output_tokens, self.output),
        ])
    }
}

/// A dollar per million tokens is a micro-dollar per token, so prices have at most six decimals of that.
fn sum<const N: usize>(parts: [(u64, f64); N]) -> MicroDollars {
    const SCALE: f64 = 1e6;
    let scaled: u128 =
        parts.iter().map(|(tokens, price)| u128::from(*tokens) * u128::from((price * SCALE).round() as u64)).sum();
    MicroDollars(u64::try_from(scaled.div_ceil(SCALE as u128)).unwrap_or(u64::MAX))
}
