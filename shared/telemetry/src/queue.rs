//! The queue between the callers that emit spans and the thread that sends them.
//!
//! The lock is never held while a request is sent, so that emitting a span never waits for the network.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry_sdk::trace::SpanData;

/// Maximum queued spans. Beyond it the oldest are dropped, because the root, which holds a trace together, comes last.
pub(crate) const CAPACITY: usize = 2048;

/// Maximum spans in one request. With long texts in all of them they are about 4 MB, below CloudWatch's limit of 5 MB.
const MAX_BATCH: usize = 128;

/// How long a span waits for others to share its request. A second keeps a trace growing in the viewer while the session
/// runs.
const DELAY: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<SpanData>,
    /// When the last span entered an empty queue: the start of the current delay.
    since: Option<Instant>,
    /// Spans ever queued.
    accepted: u64,
    /// Of these, the spans that were sent, lost or dropped.
    settled: u64,
    /// Spans dropped from the full queue since the last batch.
    dropped: u64,
    /// The number of settled spans that a flush waits for.
    flush_target: u64,
    /// A wait timed out, and the sender has settled no batch since.
    stalled: bool,
    /// The queue takes no more spans.
    closed: bool,
    /// The sender is gone.
    ended: bool,
}

/// Spans to be sent together.
pub(crate) struct Batch {
    pub(crate) spans: Vec<SpanData>,
    /// Spans dropped from the full queue since the batch before.
    pub(crate) dropped: u64,
}

impl Queue {
    /// Queues a span. A full queue drops its oldest one.
    pub(crate) fn push(&self, span: SpanData) {
        let mut state = self.lock();
        if state.closed || state.ended {
            return;
        }
        if state.waiting.len() == CAPACITY {
            state.waiting.pop_front();
            state.settled += 1;
            state.dropped += 1;
        }
        state.waiting.push_back(span);
        state.accepted += 1;
        // The sender needs to wake only for the first span and for a full batch.
        if state.waiting.len() == 1 {
            state.since = Some(Instant::now());
            self.changed.notify_all();
        } else if state.waiting.len() == MAX_BATCH {
            self.changed.notify_all();
        }
    }

    /// Waits for the next batch; none when the queue is closed and empty. Called by the sender.
    pub(crate) fn next_batch(&self) -> Option<Batch> {
        let mut state = self.lock();
        loop {
            if state.waiting.is_empty() {
                if state.closed {
                    return None;
                }
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let urgent = state.closed || state.flush_target > state.settled || state.waiting.len() >= MAX_BATCH;
            let rest = state.since.map_or(Duration::ZERO, |since| DELAY.saturating_sub(since.elapsed()));
            if urgent || rest.is_zero() {
                let count = state.waiting.len().min(MAX_BATCH);
                let spans = state.waiting.drain(..count).collect();
                return Some(Batch { spans, dropped: std::mem::take(&mut state.dropped) });
            }
            state = self.changed.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Records that a batch was sent or lost. Called by the sender.
    pub(crate) fn settle(&self, batch: usize) {
        let mut state = self.lock();
        state.settled += u64::try_from(batch).unwrap_or(u64::MAX);
        state.stalled = false;
        self.changed.notify_all();
    }

    /// Records that the sender is gone. Called by the sender.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.waiting.clear();
        self.changed.notify_all();
    }

    /// Requests that all queued spans are sent now, and returns the count for [`Queue::wait`].
    pub(crate) fn request_flush(&self) -> u64 {
        let mut state = self.lock();
        state.flush_target = state.accepted;
        self.changed.notify_all();
        state.flush_target
    }

    /// Waits until `count` spans are settled, the sender is gone or the deadline has passed.
    pub(crate) fn wait(&self, count: u64, deadline: Instant) {
        let mut state = self.lock();
        while state.settled < count && !state.ended {
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                state.stalled = true;
                return;
            }
            state = self.changed.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether a wait timed out and the sender has settled no batch since.
    pub(crate) fn is_stalled(&self) -> bool {
        self.lock().stalled
    }

    /// Stops taking spans. The sender ends when it has sent the rest, or, if it is stalled, after its current batch.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        if state.stalled {
            state.waiting.clear();
        }
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
