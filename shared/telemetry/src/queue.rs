//! The queue between those who emit spans and the thread that sends them.
//!
//! A lock is held for moments only, never while something is sent.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry_sdk::trace::SpanData;

/// The most spans that wait. Beyond it the oldest are let go.
pub(crate) const CAPACITY: usize = 2048;

/// The most spans in one request; with long texts in all of them about 4 MB, below the 5 MB that CloudWatch takes.
const BATCH: usize = 128;

/// How long a span waits for company, so that a trace grows in the viewer while the session runs.
const DELAY: Duration = Duration::from_secs(1);

/// Spans that wait to be sent.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<SpanData>,
    /// When the first of them came into an empty queue.
    since: Option<Instant>,
    /// How many spans ever came in.
    accepted: u64,
    /// How many of them were sent, lost on the way or let go.
    settled: u64,
    /// How many were let go because the queue was full, since that was last told.
    let_go: u64,
    /// Up to which count somebody waits for spans to be settled.
    wanted: u64,
    /// A wait ran out of time, and the sender is still at the same batch.
    stuck: bool,
    /// Nothing more comes in.
    closed: bool,
    /// Nobody sends any more.
    ended: bool,
}

/// Spans to be sent together.
pub(crate) struct Batch {
    /// At least one.
    pub(crate) spans: Vec<SpanData>,
    /// How many were let go before them.
    pub(crate) let_go: u64,
}

impl Queue {
    /// Takes a span.
    pub(crate) fn push(&self, span: SpanData) {
        let mut state = self.lock();
        if state.closed || state.ended {
            return;
        }
        if state.waiting.len() == CAPACITY {
            state.waiting.pop_front();
            state.settled += 1;
            state.let_go += 1;
        }
        state.waiting.push_back(span);
        state.accepted += 1;
        // The sender sleeps through what comes in between.
        if state.waiting.len() == 1 {
            state.since = Some(Instant::now());
            self.changed.notify_all();
        } else if state.waiting.len() == BATCH {
            self.changed.notify_all();
        }
    }

    /// Waits for the next batch; none when the queue is closed and empty. For the sending thread.
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
            let urgent = state.closed || state.wanted > state.settled || state.waiting.len() >= BATCH;
            let rest = state.since.map_or(Duration::ZERO, |since| DELAY.saturating_sub(since.elapsed()));
            if urgent || rest.is_zero() {
                let count = state.waiting.len().min(BATCH);
                let spans = state.waiting.drain(..count).collect();
                return Some(Batch { spans, let_go: std::mem::take(&mut state.let_go) });
            }
            state = self.changed.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Says that a batch is dealt with, well or not. For the sending thread.
    pub(crate) fn settle(&self, batch: usize) {
        let mut state = self.lock();
        state.settled += u64::try_from(batch).unwrap_or(u64::MAX);
        state.stuck = false;
        self.changed.notify_all();
    }

    /// Says that nobody sends any more. For the sending thread.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.waiting.clear();
        self.changed.notify_all();
    }

    /// Asks that everything taken so far be sent now, and returns the count to wait for.
    pub(crate) fn ask(&self) -> u64 {
        let mut state = self.lock();
        state.wanted = state.accepted;
        self.changed.notify_all();
        state.wanted
    }

    /// Waits until that many spans are settled, the sender is gone or the deadline has passed.
    pub(crate) fn wait(&self, wanted: u64, deadline: Instant) {
        let mut state = self.lock();
        while state.settled < wanted && !state.ended {
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                state.stuck = true;
                return;
            }
            state = self.changed.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether a wait ran out of time and the sender is still at the same batch.
    pub(crate) fn is_stuck(&self) -> bool {
        self.lock().stuck
    }

    /// Takes no more spans; the sender ends when it has sent the rest, or, when it is stuck, after the batch it is at.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        if state.stuck {
            state.waiting.clear();
        }
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
