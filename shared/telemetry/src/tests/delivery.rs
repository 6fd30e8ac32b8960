//! What a collector receives, and how long a flush or a drop waits for it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use domain::ports::Traces;
use domain::span::attributes;
use domain::{AttributeValue, Span, SpanKind};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind as WireKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use super::spans::{TRACE, With as _, span};
use super::test_collector::{TestCollector, hanging, unreachable};
use crate::queue::CAPACITY;
use crate::span_data::MAX_TEXT;
use crate::{Collector, Service, Tracing};

/// The contract of `domain::ports::Traces` is two seconds; the rest is tolerance for a loaded machine.
const FLUSH_LIMIT: Duration = Duration::from_millis(2500);

/// A sink that records the spans it gets.
#[derive(Default)]
struct Recorder(Mutex<Vec<Span>>);

impl Traces for Recorder {
    fn emit(&self, span: Span) {
        self.0.lock().unwrap().push(span);
    }

    fn flush(&self) {}
}

fn tracing(addresses: &[&str]) -> Tracing {
    let service = Service { version: "1.2.3".to_owned(), environment: "test".to_owned() };
    addresses
        .iter()
        .fold(Tracing::builder(service), |builder, address| builder.collector(Collector::new(address).unwrap()))
        .build()
}

fn timed(action: impl FnOnce()) -> Duration {
    let start = Instant::now();
    action();
    start.elapsed()
}

fn value(attributes: &[KeyValue], name: &str) -> Option<Value> {
    attributes.iter().find(|each| each.key == name)?.value.clone()?.value
}

fn text(text: &str) -> Value {
    Value::StringValue(text.to_owned())
}

#[test]
fn a_span_arrives_as_it_was_emitted() {
    let receiving = TestCollector::start();
    let service = Service { version: "1.2.3".to_owned(), environment: "test".to_owned() };
    let collector = Collector::new(&receiving.address).unwrap().headers("x-api-key=se%2Ccret, x-team=agents").unwrap();
    let tracing = Tracing::builder(service).collector(collector).build();

    let finish_reasons = AttributeValue::Texts(vec!["tool_call".to_owned()]);
    let mut chat = span(2, Some(1), "chat claude", 250, 1750)
        .with(attributes::REQUEST_MODEL, "claude")
        .with(attributes::INPUT_TOKENS, 1200u64)
        .with(attributes::COST, 0.25)
        .with(attributes::REQUEST_STREAM, true)
        .with(attributes::FINISH_REASONS, finish_reasons)
        .failed("the reply was cut off");
    chat.kind = SpanKind::Client;
    tracing.emit(chat);
    tracing.emit(span(1, None, "invoke_agent tiny-backspace", 0, 2000));
    tracing.flush();

    let request = receiving.next();
    assert_eq!(request.line, "POST /v1/traces HTTP/1.1");
    assert_eq!(request.headers["content-type"], "application/x-protobuf");
    assert_eq!(request.headers["x-api-key"], "se,cret");
    assert_eq!(request.headers["x-team"], "agents");

    let [group] = request.body.resource_spans.as_slice() else { panic!("one resource") };
    let resource = &group.resource.as_ref().unwrap().attributes;
    assert_eq!(value(resource, "service.name"), Some(text("tiny-backspace")));
    assert_eq!(value(resource, "service.version"), Some(text("1.2.3")));
    assert_eq!(value(resource, "deployment.environment.name"), Some(text("test")));

    let [scope] = group.scope_spans.as_slice() else { panic!("one scope") };
    let [chat, root] = scope.spans.as_slice() else { panic!("two spans") };
    let trace = u128::from_str_radix(TRACE, 16).unwrap().to_be_bytes();
    assert_eq!(chat.trace_id, trace);
    assert_eq!(chat.span_id, 2u64.to_be_bytes());
    assert_eq!(chat.parent_span_id, 1u64.to_be_bytes());
    assert_eq!(chat.name, "chat claude");
    assert_eq!(chat.kind(), WireKind::Client);
    assert_eq!(chat.start_time_unix_nano, 1_763_926_285_250_000_000);
    assert_eq!(chat.end_time_unix_nano, 1_763_926_286_750_000_000);
    let status = chat.status.as_ref().unwrap();
    assert_eq!((status.code(), status.message.as_str()), (StatusCode::Error, "the reply was cut off"));
    assert_eq!(chat.attributes.len(), 5);
    assert_eq!(value(&chat.attributes, attributes::REQUEST_MODEL), Some(text("claude")));
    assert_eq!(value(&chat.attributes, attributes::INPUT_TOKENS), Some(Value::IntValue(1200)));
    assert_eq!(value(&chat.attributes, attributes::COST), Some(Value::DoubleValue(0.25)));
    assert_eq!(value(&chat.attributes, attributes::REQUEST_STREAM), Some(Value::BoolValue(true)));
    let reasons = ArrayValue { values: vec![AnyValue { value: Some(text("tool_call")) }] };
    assert_eq!(value(&chat.attributes, attributes::FINISH_REASONS), Some(Value::ArrayValue(reasons)));

    assert_eq!(root.trace_id, trace);
    assert_eq!(root.parent_span_id, Vec::<u8>::new());
    assert_eq!(root.kind(), WireKind::Internal);
    assert_eq!(root.status.as_ref().unwrap().code(), StatusCode::Ok);
}

#[test]
fn a_drop_sends_the_spans_that_no_flush_has_sent() {
    let receiving = TestCollector::start();
    let tracing = tracing(&[&receiving.address]);
    for number in 1..=300 {
        tracing.emit(span(number, None, "step prepare", 0, 1));
    }
    drop(tracing);
    let spans = receiving
        .received()
        .iter()
        .map(|request| request.body.resource_spans[0].scope_spans[0].spans.len())
        .sum::<usize>();
    assert_eq!(spans, 300);
}

#[test]
fn long_texts_are_cut_and_an_end_before_the_start_is_moved() {
    let receiving = TestCollector::start();
    let tracing = tracing(&[&receiving.address]);
    tracing.emit(span(1, None, "chat", 10, 5).with(attributes::OUTPUT, "ü".repeat(MAX_TEXT)));
    tracing.flush();
    let request = receiving.next();
    let span = &request.body.resource_spans[0].scope_spans[0].spans[0];
    assert_eq!(span.end_time_unix_nano, span.start_time_unix_nano);
    assert_eq!(value(&span.attributes, attributes::OUTPUT), Some(text(&format!("{}…", "ü".repeat(MAX_TEXT / 2 - 2)))));
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = TestCollector::start();
    let redirecting = TestCollector::redirecting(&elsewhere);
    let tracing = tracing(&[&redirecting.address]);
    tracing.emit(span(1, None, "step prepare", 0, 1));
    tracing.flush();
    assert_eq!(redirecting.received().len(), 1);
    assert_eq!(elsewhere.received().len(), 0);
}

#[test]
fn an_unreachable_collector_delays_a_flush_or_a_drop_by_two_seconds() {
    let tracing = tracing(&[&unreachable()]);
    tracing.emit(span(1, None, "step prepare", 0, 1));
    let flush = timed(|| tracing.flush());
    assert!(flush < FLUSH_LIMIT, "{flush:?}");
    tracing.emit(span(2, None, "step plan", 0, 1));
    let end = timed(|| drop(tracing));
    assert!(end < FLUSH_LIMIT, "{end:?}");
}

#[test]
fn hanging_collectors_delay_a_flush_together_and_not_the_drop_after_it() {
    let (_first, first) = hanging();
    let (_second, second) = hanging();
    let tracing = tracing(&[&first, &second]);
    tracing.emit(span(1, None, "step prepare", 0, 1));
    let flush = timed(|| tracing.flush());
    assert!(flush < FLUSH_LIMIT, "{flush:?}");
    tracing.emit(span(2, None, "step plan", 0, 1));
    let end = timed(|| drop(tracing));
    assert!(end < Duration::from_millis(500), "{end:?}");
}

#[test]
fn a_hanging_collector_blocks_neither_emit_nor_another_collector() {
    let (_listener, address) = hanging();
    let receiving = TestCollector::start();
    let recorder = Arc::new(Recorder::default());
    let service = Service { version: "1.2.3".to_owned(), environment: "test".to_owned() };
    let tracing = Tracing::builder(service)
        .collector(Collector::new(&address).unwrap())
        .collector(Collector::new(&receiving.address).unwrap())
        .sink(Arc::clone(&recorder) as _)
        .build();
    let emitted = 2 * u64::try_from(CAPACITY).unwrap();
    let emitting = timed(|| (1..=emitted).for_each(|number| tracing.emit(span(number, None, "turn", 0, 1))));
    assert!(emitting < FLUSH_LIMIT, "{emitting:?}");
    tracing.flush();
    drop(tracing);
    assert_eq!(recorder.0.lock().unwrap().len(), 2 * CAPACITY);
    // The reachable collector gets at least the newest spans, in the order in which they were emitted.
    let numbers: Vec<Vec<u8>> = receiving
        .received()
        .into_iter()
        .flat_map(|request| request.body.resource_spans)
        .flat_map(|group| group.scope_spans)
        .flat_map(|scope| scope.spans)
        .map(|span| span.span_id)
        .collect();
    assert!(numbers.len() >= CAPACITY, "{}", numbers.len());
    assert!(numbers.is_sorted());
    assert_eq!(numbers.last().unwrap(), &emitted.to_be_bytes());
}

#[tokio::test]
async fn tracing_is_built_used_and_dropped_inside_an_async_runtime() {
    let receiving = TestCollector::start();
    let tracing = tracing(&[&receiving.address]);
    tracing.emit(span(1, None, "step prepare", 0, 1));
    tracing.flush();
    drop(tracing);
    assert_eq!(receiving.received().len(), 1);
}
