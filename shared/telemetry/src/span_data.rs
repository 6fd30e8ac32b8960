//! Converts a `domain::Span` to the OpenTelemetry SDK's form.

use std::borrow::Cow;
use std::time::SystemTime;

use domain::text::shorten_to_bytes;
use domain::{AttributeValue, Span, SpanKind, SpanOutcome};
use opentelemetry::trace::{SpanContext, SpanId, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

/// Maximum length of a text, in bytes. A span has few long texts, so it stays well below the 200 KB per span of CloudWatch's
/// OTLP endpoint (read November 2026).
pub(crate) const MAX_TEXT: usize = 16 * 1024;

/// Maximum texts of one attribute.
const MAX_TEXTS: usize = 128;

/// Converts a span and keeps its ids. The SDK's own tracer cannot do so, because it generates ids.
pub(crate) fn span_data(span: Span, scope: &InstrumentationScope) -> SpanData {
    // `domain` accepts only hexadecimal ids of the right length, so the fallback, which collectors refuse, is never used.
    let trace_id = TraceId::from_hex(span.trace_id.as_str()).unwrap_or(TraceId::INVALID);
    let span_id = SpanId::from_hex(span.span_id.as_str()).unwrap_or(SpanId::INVALID);
    let parent = span.parent.map(|parent| SpanId::from_hex(parent.as_str()).unwrap_or(SpanId::INVALID));
    SpanData {
        span_context: SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, false, TraceState::default()),
        parent_span_id: parent.unwrap_or(SpanId::INVALID),
        parent_span_is_remote: false,
        span_kind: kind(span.kind),
        name: Cow::Owned(shorten_to_bytes(&span.name, MAX_TEXT).into_owned()),
        start_time: SystemTime::from(span.start),
        // The clocks of two machines may differ, and viewers show an end before the start as an enormous duration.
        end_time: SystemTime::from(span.end.max(span.start)),
        attributes: span.attributes.into_iter().map(|(name, given)| KeyValue::new(name, value(given))).collect(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: match span.outcome {
            SpanOutcome::Ok => Status::Ok,
            SpanOutcome::Error(sentence) => Status::error(shorten_to_bytes(&sentence, MAX_TEXT).into_owned()),
        },
        instrumentation_scope: scope.clone(),
    }
}

fn kind(kind: SpanKind) -> opentelemetry::trace::SpanKind {
    match kind {
        SpanKind::Internal => opentelemetry::trace::SpanKind::Internal,
        SpanKind::Client => opentelemetry::trace::SpanKind::Client,
        SpanKind::Server => opentelemetry::trace::SpanKind::Server,
    }
}

fn value(value: AttributeValue) -> Value {
    match value {
        AttributeValue::Text(text) => Value::from(shorten_to_bytes(&text, MAX_TEXT).into_owned()),
        AttributeValue::Integer(number) => Value::from(number),
        AttributeValue::Float(number) => Value::from(number),
        AttributeValue::Flag(flag) => Value::from(flag),
        AttributeValue::Texts(texts) => {
            let texts = texts
                .into_iter()
                .take(MAX_TEXTS)
                .map(|text| StringValue::from(shorten_to_bytes(&text, MAX_TEXT).into_owned()));
            Value::Array(Array::String(texts.collect()))
        }
    }
}
