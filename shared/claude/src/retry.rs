//! When to ask again, and how long to pause before it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use http::HeaderMap;

/// How often a request is repeated within a call.
pub(crate) const RETRIES: u32 = 2;

/// The longest pause taken within a call; for a longer one the call is given up.
pub(crate) const MAX_PAUSE: Duration = Duration::from_secs(8);

/// What is waited when the service is out of capacity and does not say for how long.
pub(crate) const USUAL_WAIT: Duration = Duration::from_secs(30);

/// A service that asks for more than a day is not believed.
const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// What the headers of an answer say about asking again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Advice {
    /// How long to wait.
    pub(crate) after: Option<Duration>,
    /// Whether to ask again at all; it overrules the status.
    pub(crate) should_retry: Option<bool>,
}

impl Advice {
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        // Dates are not read: the API sends seconds.
        let number = |name| text(name).and_then(|text| text.parse::<f64>().ok()).filter(|number| *number >= 0.0);
        let seconds = number("retry-after-ms").map(|millis| millis / 1e3).or_else(|| number("retry-after"));
        let after = seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(MAX_WAIT));
        let should_retry = match text("x-should-retry") {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => None,
        };
        Self { after: after.map(|after| after.min(MAX_WAIT)), should_retry }
    }

    /// The pause before retry number `retry`, from 0: what the service asked for, and otherwise the first pause doubled
    /// each time, less up to a quarter, so that many callers do not come back at once.
    pub(crate) fn pause(&self, retry: u32, first: Duration) -> Duration {
        self.after.unwrap_or_else(|| {
            let full = first.saturating_mul(2_u32.saturating_pow(retry)).min(MAX_PAUSE);
            full.mul_f64(1.0 - random_fraction() / 4.0)
        })
    }
}

/// A number from 0 up to 1. Hash keys are random enough to spread callers.
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
        Advice::read(&headers.collect())
    }

    #[test]
    fn the_service_is_believed_within_reason() {
        let after = |headers| advice(headers).after;
        assert_eq!(after(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        assert_eq!(after(&[("retry-after", "7"), ("retry-after-ms", "250")]), Some(Duration::from_millis(250)));
        assert_eq!(after(&[("retry-after", "1e300")]), Some(MAX_WAIT));
        assert_eq!(after(&[("retry-after", "NaN")]), None);
        assert_eq!(after(&[("retry-after", "-1")]), None);
        assert_eq!(advice(&[("x-should-retry", "false")]).should_retry, Some(false));
    }

    #[test]
    fn pauses_grow_and_differ() {
        let advice = Advice::default();
        for (retry, full) in [(0, 500), (1, 1000), (9, 8000)] {
            let pause = advice.pause(retry, FIRST).as_millis();
            assert!((full * 3 / 4..=full).contains(&pause), "{retry}: {pause} ms");
        }
        let pauses: std::collections::HashSet<_> = (0..20).map(|_| advice.pause(0, FIRST)).collect();
        assert!(pauses.len() > 1);
    }
}
