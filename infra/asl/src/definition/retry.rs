use std::time::Duration;

use super::{fields::Fields, problem::Problem, state::MAX_SECONDS};
use crate::{
    failure::{ALL, CATCHABLE},
    path::Reference,
};

/// Step Functions' limit on `MaxDelaySeconds`, exclusive.
const MAX_DELAY: u64 = 31_622_400;

/// One entry of a Retry: which errors, how often, how far apart.
#[derive(Clone, Debug)]
pub struct Retrier {
    error_equals: Vec<String>,
    interval: Duration,
    max_attempts: u32,
    backoff_rate: f64,
    max_delay: Option<Duration>,
    full_jitter: bool,
}

impl Retrier {
    /// The error names of the entry.
    pub fn error_equals(&self) -> &[String] {
        &self.error_equals
    }

    /// How often the state is tried again; 0 names errors that are not.
    pub fn max_attempts(&self) -> u32 {
        self.max_attempts
    }

    /// The pause before retry number `retries + 1`. `fraction`, in 0 to 1, is the throw of the dice for `JitterStrategy`
    /// FULL, which draws from the whole span down to nothing.
    pub(crate) fn delay(&self, retries: u32, fraction: f64) -> Duration {
        let growth = self.backoff_rate.powf(f64::from(retries));
        let longest = self.max_delay.map_or(MAX_SECONDS as f64, |delay| delay.as_secs_f64());
        let delay = (self.interval.as_secs_f64() * growth).min(longest);
        let delay = if self.full_jitter { delay * fraction } else { delay };
        Duration::try_from_secs_f64(delay).unwrap_or(self.interval)
    }

    fn parse(mut fields: Fields<'_>) -> Option<Self> {
        fields.take("Comment");
        let error_equals = error_equals(&mut fields);
        let interval = fields.whole("IntervalSeconds", 1..=MAX_SECONDS).unwrap_or(1);
        let max_attempts = fields.whole("MaxAttempts", 0..=MAX_SECONDS).unwrap_or(3);
        let max_delay = fields.whole("MaxDelaySeconds", 1..=MAX_DELAY - 1);
        if max_delay.is_some_and(|delay| delay <= interval) {
            fields.report("MaxDelaySeconds", Problem::OutOfRange(interval + 1, MAX_DELAY - 1));
        }
        let backoff_rate = fields.take("BackoffRate").map_or(Some(2.0), |rate| {
            let rate = rate.as_f64().filter(|rate| *rate >= 1.0);
            fields.checked("BackoffRate", rate.ok_or(Problem::WrongType("a number from 1.0")))
        });
        let full_jitter = match fields.string("JitterStrategy") {
            None | Some("NONE") => false,
            Some("FULL") => true,
            Some(_) => {
                fields.report("JitterStrategy", Problem::WrongType("FULL or NONE"));
                false
            }
        };
        fields.close();
        Some(Self {
            error_equals: error_equals?,
            interval: Duration::from_secs(interval),
            max_attempts: u32::try_from(max_attempts).unwrap_or(u32::MAX),
            backoff_rate: backoff_rate?,
            max_delay: max_delay.map(Duration::from_secs),
            full_jitter,
        })
    }
}

/// One entry of a Catch: which errors, and where to go with them.
#[derive(Clone, Debug)]
pub struct Catcher {
    error_equals: Vec<String>,
    next: String,
    /// None for `null`: the error is not kept.
    pub(crate) result_path: Option<Reference>,
}

impl Catcher {
    /// The error names of the entry.
    pub fn error_equals(&self) -> &[String] {
        &self.error_equals
    }

    /// The state it goes to.
    pub fn next(&self) -> &str {
        &self.next
    }

    fn parse(mut fields: Fields<'_>) -> Option<Self> {
        fields.take("Comment");
        let error_equals = error_equals(&mut fields);
        let result_path = fields.reference_or_null("ResultPath");
        let next = fields.require_string("Next");
        fields.close();
        Some(Self { error_equals: error_equals?, next: next?.to_owned(), result_path })
    }
}

pub(super) fn parse_retries(fields: &mut Fields<'_>) -> Vec<Retrier> {
    entries(fields, "Retry", Retrier::parse)
}

pub(super) fn parse_catches(fields: &mut Fields<'_>) -> Vec<Catcher> {
    entries(fields, "Catch", Catcher::parse)
}

fn entries<'a, T>(fields: &mut Fields<'a>, name: &str, parse: impl Fn(Fields<'a>) -> Option<T>) -> Vec<T> {
    let entries = fields.list(name).unwrap_or_default();
    for (index, entry) in entries.iter().enumerate() {
        let names = entry["ErrorEquals"].as_array().map_or(&[][..], Vec::as_slice);
        if names.iter().any(|name| name == ALL) {
            let at = format!("{name}[{index}].ErrorEquals");
            if names.len() > 1 {
                fields.report(&at, Problem::AllNotAlone);
            }
            if index + 1 < entries.len() {
                fields.report(&at, Problem::AllNotLast);
            }
        }
    }
    let opened = entries.iter().enumerate();
    let opened = opened.filter_map(|(index, entry)| fields.inner(&format!("{name}[{index}]"), entry));
    opened.filter_map(parse).collect()
}

fn error_equals(fields: &mut Fields<'_>) -> Option<Vec<String>> {
    let names = fields.require("ErrorEquals")?;
    let names: Option<Vec<String>> =
        names.as_array().and_then(|names| names.iter().map(|name| name.as_str().map(str::to_owned)).collect());
    let names = fields.checked("ErrorEquals", names.ok_or(Problem::WrongType("a list of strings")))?;
    if names.is_empty() {
        fields.report("ErrorEquals", Problem::Empty);
    }
    for name in &names {
        if name.starts_with("States.") && !CATCHABLE.contains(&name.as_str()) {
            fields.report("ErrorEquals", Problem::UnsupportedErrorName(name.clone()));
        }
    }
    Some(names)
}
