//! Prices of tokens, by date and length of the prompt.

use domain::{MicroDollars, Usage};
use serde::Deserialize;

/// Tokens of one reply, split by price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tokens {
    pub(crate) input: u64,
    pub(crate) cache_read: u64,
    /// Written to the cache for five minutes, or for an unknown time.
    pub(crate) cache_write_5m: u64,
    pub(crate) cache_write_1h: u64,
    pub(crate) output: u64,
}

impl Tokens {
    fn prompt_tokens(&self) -> u64 {
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

/// A UTC date as `2026-10-07`, a form in which text order is date order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub(crate) struct Day(pub(crate) String);

impl Day {
    /// Later than every known date, so that the latest known prices apply.
    pub(crate) fn last() -> Self {
        Self("9999-12-31".to_owned())
    }

    fn is_valid(&self) -> bool {
        let fits =
            |(index, byte): (usize, u8)| if matches!(index, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
        self.0.len() == 10 && self.0.bytes().enumerate().all(fits)
    }
}

/// The price history of a model, oldest first.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct Prices(Vec<PriceList>);

/// The prices of a model from a date on.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PriceList {
    effective_from: Day,
    /// Where the prices were published, for the maintainer of the file.
    #[expect(dead_code, reason = "required in the file, not used by the program")]
    source: String,
    /// Ascending by length of prompt; the last tier has no limit.
    tiers: Vec<Tier>,
}

/// US dollars per million tokens, which equals micro-dollars per token.
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
    /// Whether there is a price list, the dates ascend, the tiers ascend and the last tier has no limit.
    pub(crate) fn are_valid(&self) -> bool {
        let days = self.0.iter().map(|list| &list.effective_from);
        !self.0.is_empty()
            && days.clone().all(Day::is_valid)
            && days.is_sorted_by(|earlier, later| earlier < later)
            && self.0.iter().all(PriceList::is_valid)
    }

    /// The tier that applies on `day` to a prompt of `prompt_tokens`; before the first known date, the first list applies.
    pub(crate) fn tier(&self, day: &Day, prompt_tokens: u64) -> Tier {
        let in_effect = |list: &&PriceList| list.effective_from <= *day;
        let list = self.0.iter().rev().find(in_effect).or(self.0.first());
        list.map(|list| list.tier(prompt_tokens)).unwrap_or_default()
    }

    /// The highest price of each kind in the whole history.
    pub(crate) fn highest(&self) -> Tier {
        self.0.iter().flat_map(|list| &list.tiers).copied().reduce(Tier::highest).unwrap_or_default()
    }

    pub(crate) fn cost(&self, day: &Day, tokens: Tokens) -> MicroDollars {
        self.tier(day, tokens.prompt_tokens()).cost(tokens)
    }
}

impl PriceList {
    fn is_valid(&self) -> bool {
        let limits: Vec<u64> = self.tiers.iter().map(|tier| tier.up_to_prompt_tokens.unwrap_or(u64::MAX)).collect();
        limits.is_sorted_by(|shorter, longer| shorter < longer) && limits.last() == Some(&u64::MAX)
    }

    fn tier(&self, prompt_tokens: u64) -> Tier {
        let fits = |tier: &&Tier| tier.up_to_prompt_tokens.is_none_or(|limit| prompt_tokens <= limit);
        self.tiers.iter().find(fits).or(self.tiers.last()).copied().unwrap_or_default()
    }
}

impl Tier {
    /// The higher price of each kind.
    pub(crate) fn highest(self, other: Self) -> Self {
        Self {
            up_to_prompt_tokens: None,
            input: self.input.max(other.input),
            output: self.output.max(other.output),
            cache_write_5m: self.cache_write_5m.max(other.cache_write_5m),
            cache_write_1h: self.cache_write_1h.max(other.cache_write_1h),
            cache_read: self.cache_read.max(other.cache_read),
        }
    }

    /// Rounded up to the micro-dollar.
    pub(crate) fn cost(self, tokens: Tokens) -> MicroDollars {
        sum([
            (tokens.input, self.input),
            (tokens.cache_read, self.cache_read),
            (tokens.cache_write_5m, self.cache_write_5m),
            (tokens.cache_write_1h, self.cache_write_1h),
            (tokens.output, self.output),
        ])
    }

    /// The maximum cost of a prompt and a reply of these lengths, whatever the cache holds. Up to `hour_tokens` of the
    /// prompt may be written to the cache for an hour.
    pub(crate) fn worst_case(self, prompt_tokens: u64, hour_tokens: u64, output_tokens: u64) -> MicroDollars {
        let five_minutes = self.input.max(self.cache_write_5m);
        let hour_tokens = hour_tokens.min(prompt_tokens);
        sum([
            (prompt_tokens - hour_tokens, five_minutes),
            (hour_tokens, five_minutes.max(self.cache_write_1h)),
            (output_tokens, self.output),
        ])
    }
}

/// Sums integers, in millionths of a micro-dollar, so that only the final rounding up loses anything.
fn sum<const N: usize>(items: [(u64, f64); N]) -> MicroDollars {
    const SCALE: f64 = 1e6;
    let scaled: u128 =
        items.iter().map(|(tokens, price)| u128::from(*tokens) * u128::from((price * SCALE).round() as u64)).sum();
    MicroDollars(u64::try_from(scaled.div_ceil(SCALE as u128)).unwrap_or(u64::MAX))
}
