use std::time::Duration;

use super::fields::{Fields, MAX_SECONDS};
use crate::{
    failure::{ALL, CATCHABLE},
    path::Reference,
    problem::Problem,
};

/// Step Functions' limit on `MaxDelaySeconds`: it must be less than 31,622,400.
const MAX_DELAY_SECONDS: u64 = 31_622_399;

/// One entry of a `Retry` list: which errors are retried, how often, and after which delays.
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
    pub fn error_equals(&self) -> &[String] {
        &self.error_equals
    }

    /// The maximum number of retries. With 0 the entry's errors are never retried, not even by a later entry.
    pub fn max_attempts(&self) -> u32 {
        self.max_attempts
    }

    /// The delay before the next retry, after `retries` retries. `fraction` is a random number from 0 to 1; it counts only
    /// for the `JitterStrategy` FULL, which draws from the range between zero and the full delay.
    pub(crate) fn delay(&self, retries: u32, fraction: f64) -> Duration {
        let growth = self.backoff_rate.powf(f64::from(retries));
        let max = self.max_delay.map_or(MAX_SECONDS as f64, |delay| delay.as_secs_f64());
        let delay = (self.interval.as_secs_f64() * growth).min(max);
        let delay = if self.full_jitter { delay * fraction } else { delay };
        Duration::try_from_secs_f64(delay).unwrap_or(self.interval)
    }

    fn parse(mut fields: Fields<'_>) -> Option<Self> {
        fields.take("Comment");
        let error_equals = error_equals(&mut fields);
        let interval = fields.integer("IntervalSeconds", 1..=MAX_SECONDS).unwrap_or(1);
        let max_attempts = fields.integer("MaxAttempts", 0..=MAX_SECONDS).unwrap_or(3);
        let max_delay = fields.integer("MaxDelaySeconds", 1..=MAX_DELAY_SECONDS);
        if max_delay.is_some_and(|delay| delay <= interval) {
            fields.report("MaxDelaySeconds", Problem::OutOfRange(interval + 1, MAX_DELAY_SECONDS));
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

/// One entry of a `Catch` list: which errors it catches, and the state that follows.
#[derive(Clone, Debug)]
pub struct Catcher {
    error_equals: Vec<String>,
    next: String,
    /// None for `null`: the error output is dropped.
    pub(crate) result_path: Option<Reference>,
}

impl Catcher {
    pub fn error_equals(&self) -> &[String] {
        &self.error_equals
    }

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
    let objects = entries.iter().enumerate();
    let objects = objects.filter_map(|(index, entry)| fields.inner(&format!("{name}[{index}]"), entry));
    objects.filter_map(parse).collect()
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
