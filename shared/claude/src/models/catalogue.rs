//! The built-in list of models, `data/models.json`.

use domain::{MicroDollars, ModelLimits};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::prices::{Day, Prices, Tier, Tokens};

const BUILT_IN: &str = include_str!("../../data/models.json");

/// The known models with their limits, abilities and prices.
///
/// An unknown model is assumed to accept what the newest models accept. It is charged the highest known price of each kind,
/// so that no budget is overrun unnoticed, and gets the smallest known limits.
#[derive(Debug, Clone)]
pub struct Catalogue {
    models: Vec<Model>,
    highest_prices: Tier,
    smallest_limits: ModelLimits,
}

/// A catalogue file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The file is not JSON of the expected form.
    #[error("the catalogue of models cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
    /// The prices of the model with this id are missing or out of order.
    #[error(
        "the catalogue's prices of {0} are invalid: dates must be `YYYY-MM-DD` in ascending order, and each list of tiers \
         must ascend and end with one that has no limit"
    )]
    Prices(String),
    /// The file lists no model.
    #[error("the catalogue of models is empty")]
    Empty,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(dead_code, reason = "explains the file to its reader")]
    note: String,
    models: Vec<Model>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Model {
    id: String,
    context_tokens: u64,
    output_tokens: u32,
    /// The value of `thinking` in requests; null leaves the field out.
    thinking: Option<Box<RawValue>>,
    /// Whether the model accepts `output_config.format`.
    structured_output: bool,
    /// Whether the model accepts `output_config.effort`.
    effort: bool,
    prices: Prices,
}

impl Catalogue {
    /// The catalogue compiled into the program.
    pub fn built_in() -> Result<Self, CatalogueError> {
        Self::parse(BUILT_IN)
    }

    /// Parses a file of the same form as `data/models.json`, for prices newer than the program.
    pub fn parse(text: &str) -> Result<Self, CatalogueError> {
        let File { models, .. } = serde_json::from_str(text)?;
        if let Some(model) = models.iter().find(|model| !model.prices.are_valid()) {
            return Err(CatalogueError::Prices(model.id.clone()));
        }
        let highest = models.iter().map(|model| model.prices.highest());
        let highest_prices = highest.reduce(Tier::highest).ok_or(CatalogueError::Empty)?;
        let smallest_limits = ModelLimits {
            context_tokens: models.iter().map(|model| model.context_tokens).min().unwrap_or_default(),
            output_tokens: models.iter().map(|model| model.output_tokens).min().unwrap_or_default(),
        };
        Ok(Self { models, highest_prices, smallest_limits })
    }

    pub(crate) fn limits(&self, model: &str) -> ModelLimits {
        self.find(model).map_or(self.smallest_limits, |model| ModelLimits {
            context_tokens: model.context_tokens,
            output_tokens: model.output_tokens,
        })
    }

    /// The value of `thinking` in a request. The catalogue asks for `"display": "summarized"`, because current models omit
    /// the summary by default, and with it the text they write between tool calls.
    pub(crate) fn thinking(&self, model: &str) -> Option<Box<RawValue>> {
        match self.find(model) {
            Some(model) => model.thinking.clone(),
            None => self.models.first()?.thinking.clone(),
        }
    }

    pub(crate) fn has_structured_output(&self, model: &str) -> bool {
        self.find(model).is_none_or(|model| model.structured_output)
    }

    pub(crate) fn has_effort(&self, model: &str) -> bool {
        self.find(model).is_none_or(|model| model.effort)
    }

    pub(crate) fn cost(&self, model: &str, day: &Day, tokens: Tokens) -> MicroDollars {
        self.find(model).map_or_else(|| self.highest_prices.cost(tokens), |model| model.prices.cost(day, tokens))
    }

    /// The prices for a prompt of `prompt_tokens` sent on `day`.
    pub(crate) fn tier(&self, model: &str, day: &Day, prompt_tokens: u64) -> Tier {
        self.find(model).map_or(self.highest_prices, |model| model.prices.tier(day, prompt_tokens))
    }

    /// The model with this id, or with this id less its date: `claude-haiku-4-5-20251001` is also found as
    /// `claude-haiku-4-5`.
    fn find(&self, id: &str) -> Option<&Model> {
        let undated =
            id.rsplit_once('-').filter(|(_, date)| date.len() == 8 && date.bytes().all(|digit| digit.is_ascii_digit()));
        let by_id = |id: &str| self.models.iter().find(|model| model.id == id);
        by_id(id).or_else(|| by_id(undated?.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(day: &str) -> Day {
        Day(day.to_owned())
    }

    fn micro_dollars(model: &str, tokens: Tokens) -> u64 {
        Catalogue::built_in().unwrap().cost(model, &on("2026-11-25"), tokens).0
    }

    #[test]
    fn each_kind_of_token_has_its_price() {
        let million = 1_000_000;
        let none = Tokens::default();
        let sonnet = |tokens| micro_dollars("claude-sonnet-5-5", tokens);
        assert_eq!(sonnet(Tokens { input: million, ..none }), 2_000_000);
        assert_eq!(sonnet(Tokens { cache_read: million, ..none }), 100_000);
        assert_eq!(sonnet(Tokens { cache_write_5m: million, ..none }), 2_500_000);
        assert_eq!(sonnet(Tokens { cache_write_1h: million, ..none }), 4_000_000);
        assert_eq!(sonnet(Tokens { output: million, ..none }), 10_000_000);
        let all = Tokens { input: 7, cache_read: 10_003, cache_write_5m: 501, cache_write_1h: 3, output: 99 };
        // 14 + 1000.3 + 1252.5 + 12 + 990 = 3268.8
        assert_eq!(sonnet(all), 3_269);
    }

    #[test]
    fn a_long_prompt_is_charged_at_the_higher_tier_in_full() {
        let haiku = |tokens| micro_dollars("claude-haiku-5-5", tokens);
        let below = Tokens { input: 40_000, cache_read: 60_000, output: 1_000, ..Tokens::default() };
        assert_eq!(haiku(below), 4_000 + 600 + 500);
        assert_eq!(haiku(Tokens { input: 40_001, ..below }), 20_001 + 3_000 + 2_500);
    }

    #[test]
    fn an_unknown_model_costs_no_less_than_any_known_one() {
        let catalogue = Catalogue::built_in().unwrap();
        let tokens = Tokens { input: 11, cache_read: 1_000, cache_write_5m: 200, cache_write_1h: 30, output: 400 };
        for model in &catalogue.models {
            let cost = |model| catalogue.cost(model, &Day::last(), tokens);
            assert!(cost("claude-next-9") >= cost(&model.id), "{}", model.id);
            let worst = |model| catalogue.tier(model, &Day::last(), 9).worst_case(9, 3, 9);
            assert!(worst("claude-next-9") >= worst(&model.id));
        }
        assert_eq!(catalogue.limits("claude-next-9").context_tokens, 200_000);
        assert_eq!(catalogue.limits("claude-haiku-4-5-20251001").output_tokens, 64_000);
    }

    #[test]
    fn the_day_decides_which_prices_apply() {
        let catalogue = Catalogue::built_in().unwrap();
        let million_read = Tokens { cache_read: 1_000_000, ..Tokens::default() };
        let read = |day| catalogue.cost("claude-sonnet-5-5", &on(day), million_read).0;
        assert_eq!((read("2026-10-06"), read("2026-10-07"), read("2027-01-01")), (200_000, 100_000, 100_000));
        assert_eq!(read("2020-01-01"), 200_000, "before the first known date the first prices apply");
    }

    #[test]
    fn prices_out_of_order_are_rejected() {
        let row = |day: &str, tiers: &str| format!(r#"{{"effectiveFrom":"{day}","source":"","tiers":[{tiers}]}}"#);
        let tier =
            |limit: &str| format!(r#"{{{limit}"input":1,"output":1,"cacheWrite5m":1,"cacheWrite1h":1,"cacheRead":1}}"#);
        let unlimited = tier("");
        let file = |rows: String| {
            format!(
                r#"{{"note":"","models":[{{"id":"m","contextTokens":1,"outputTokens":1,"thinking":null,
                "structuredOutput":true,"effort":true,"prices":[{rows}]}}]}}"#
            )
        };
        assert!(Catalogue::parse(&file(row("2026-01-01", &unlimited))).is_ok());
        for rows in [
            String::new(),
            row("soon", &unlimited),
            format!("{},{}", row("2026-02-01", &unlimited), row("2026-01-01", &unlimited)),
            row("2026-01-01", &tier(r#""upToPromptTokens":5,"#)),
            row("2026-01-01", &format!("{unlimited},{unlimited}")),
        ] {
            assert!(matches!(Catalogue::parse(&file(rows.clone())), Err(CatalogueError::Prices(_))), "{rows}");
        }
    }
}
