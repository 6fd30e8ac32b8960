//! The queue without a sender.

use std::iter;

use opentelemetry::InstrumentationScope;
use opentelemetry::trace::SpanId;

use super::spans::span;
use crate::queue::{CAPACITY, Queue};
use crate::span_data::span_data;

#[test]
fn a_full_queue_drops_the_oldest_spans_and_counts_them() {
    let queue = Queue::default();
    let scope = InstrumentationScope::builder("test").build();
    let emitted = u64::try_from(CAPACITY).unwrap() + 3;
    for number in 1..=emitted {
        queue.push(span_data(span(number, None, "turn", 0, 1), &scope));
    }
    queue.close();
    queue.push(span_data(span(emitted + 1, None, "too late", 0, 1), &scope));

    let batches: Vec<_> = iter::from_fn(|| queue.next_batch()).collect();
    let ids: Vec<SpanId> =
        batches.iter().flat_map(|batch| &batch.spans).map(|span| span.span_context.span_id()).collect();
    assert_eq!(ids, (4..=emitted).map(SpanId::from).collect::<Vec<_>>());
    assert_eq!(batches.iter().map(|batch| batch.dropped).sum::<u64>(), 3);
}
