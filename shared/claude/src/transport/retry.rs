//! How often a request is retried, and the pause before each retry. Number, pauses and headers are those of the vendor's own
//! libraries.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use domain::ports::elapsed;
use http::HeaderMap;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

/// Maximum retries within a call, after the first attempt.
pub(super) const MAX_RETRIES: u32 = 2;

/// Maximum pause within a call. A call that would have to wait longer fails, and its caller waits without holding a connection.
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(8);

/// The wait to ask for when the service lacks capacity and does not say for how long. Its rate limits are per minute.
pub(super) const DEFAULT_WAIT: Duration = Duration::from_secs(30);

/// Maximum wait that is taken from a header; a longer one is cut to this.
const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// What the headers of an answer say about a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Advice {
    /// `retry-after-ms`, otherwise `retry-after`, which is a number of seconds or a date.
    pub(super) after: Option<Duration>,
    /// `x-should-retry`, which overrules the status.
    pub(super) should_retry: Option<bool>,
}

impl Advice {
    /// A date is measured against the `date` of the same answer, because the service's clock may differ from ours; without one,
    /// against `now`.
    pub(super) fn read(headers: &HeaderMap, now: Option<Timestamp>) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let number = |name| text(name).and_then(|text| text.parse::<f64>().ok()).filter(|number| *number >= 0.0);
        let seconds = number("retry-after-ms").map(|millis| millis / 1e3).or_else(|| number("retry-after"));
        let date = |name| text(name).and_then(|text| DateTimeParser::new().parse_timestamp(text).ok());
        let until_date = || Some(elapsed(date("date").or(now)?, date("retry-after")?));
        let after = seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(MAX_WAIT)).or_else(until_date);
        let should_retry = match text("x-should-retry") {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => None,
        };
        Self { after: after.map(|after| after.min(MAX_WAIT)), should_retry }
    }

    /// The pause before the next retry, after `retries` of them: what the service asked for; otherwise `first`, doubled with
    /// each retry, less a random part of up to a quarter, so that many callers do not come back at once.
    pub(super) fn pause(&self, retries: u32, first: Duration) -> Duration {
        self.after.unwrap_or_else(|| {
            let full = first.saturating_mul(2_u32.saturating_pow(retries)).min(MAX_PAUSE);
            full.mul_f64(1.0 - random_fraction() / 4.0)
        })
    }
}

/// From 0 up to, but not including, 1. The standard library's random hash keys are good enough to spread callers and need no
/// further crate.
fn random_fraction() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    (random >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(500);

    fn advice(headers: &[(&'static str, &'static str)]) -> Advice {
        let headers = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_static(value)));
        Advice::read(&headers.collect(), None)
    }

    #[test]
    fn advice_of_the_service_is_followed_up_to_a_day() {
        let after = |headers| advice(headers).after;
        assert_eq!(after(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        assert_eq!(after(&[("retry-after", "7"), ("retry-after-ms", "250")]), Some(Duration::from_millis(250)));
        assert_eq!(after(&[("retry-after", "1e300")]), Some(MAX_WAIT));
        assert_eq!(after(&[("retry-after", "NaN")]), None);
        assert_eq!(after(&[("retry-after", "-1")]), None);
        assert_eq!(advice(&[("x-should-retry", "false")]).should_retry, Some(false));
    }

    #[test]
    fn a_date_is_measured_by_the_clock_of_the_service_or_else_by_ours() {
        let later = ("retry-after", "Fri, 27 Nov 2026 10:00:03 GMT");
        let after = |headers: &[(&'static str, &'static str)]| advice(headers).after;
        assert_eq!(after(&[later, ("date", "Fri, 27 Nov 2026 10:00:00 GMT")]), Some(Duration::from_secs(3)));
        assert_eq!(after(&[later, ("date", "Fri, 27 Nov 2026 10:00:09 GMT")]), Some(Duration::ZERO));
        assert_eq!(after(&[later, ("date", "Wed, 27 Nov 2024 10:00:00 GMT")]), Some(MAX_WAIT));
        assert_eq!(after(&[later]), None);
        assert_eq!(after(&[("retry-after", "soon"), ("date", "Fri, 27 Nov 2026 10:00:00 GMT")]), None);
        let headers = HeaderMap::from_iter([(http::header::RETRY_AFTER, http::HeaderValue::from_static(later.1))]);
        let ours = "2026-11-27T10:00:01Z".parse().ok();
        assert_eq!(Advice::read(&headers, ours).after, Some(Duration::from_secs(2)));
    }

    #[test]
    fn pauses_grow_and_differ() {
        let advice = Advice::default();
        for (retries, full) in [(0, 500), (1, 1000), (9, 8000)] {
            let pause = advice.pause(retries, FIRST).as_millis();
            assert!((full * 3 / 4..=full).contains(&pause), "{retries}: {pause} ms");
        }
        let pauses: std::collections::HashSet<_> = (0..20).map(|_| advice.pause(0, FIRST)).collect();
        assert!(pauses.len() > 1);
    }
}
