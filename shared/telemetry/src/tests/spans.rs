//! Test spans.

use domain::{AttributeValue, Span, SpanId, SpanKind, SpanOutcome, TraceId};
use jiff::Timestamp;

pub(super) const TRACE: &str = "6923610d0123456789abcdef01234567";

pub(super) fn trace_id() -> TraceId {
    TRACE.parse().unwrap()
}

pub(super) fn span_id(number: u64) -> SpanId {
    format!("{number:016x}").parse().unwrap()
}

/// A span of the test trace. `from` and `until` are milliseconds after a fixed time.
pub(super) fn span(number: u64, parent: Option<u64>, name: &str, from: i64, until: i64) -> Span {
    let at = |milliseconds| Timestamp::from_millisecond(1_763_926_285_000 + milliseconds).unwrap();
    Span {
        trace_id: trace_id(),
        span_id: span_id(number),
        parent: parent.map(span_id),
        name: name.to_owned(),
        kind: SpanKind::Internal,
        start: at(from),
        end: at(until),
        attributes: domain::Attributes::new(),
        outcome: SpanOutcome::Ok,
    }
}

/// Adds attributes and outcomes to a test span.
pub(super) trait With {
    fn with(self, name: &'static str, value: impl Into<AttributeValue>) -> Self;
    fn failed(self, sentence: &str) -> Self;
}

impl With for Span {
    fn with(mut self, name: &'static str, value: impl Into<AttributeValue>) -> Self {
        self.attributes.insert(name, value.into());
        self
    }

    fn failed(mut self, sentence: &str) -> Self {
        self.outcome = SpanOutcome::Error(sentence.to_owned());
        self
    }
}
