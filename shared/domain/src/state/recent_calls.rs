//! The last tool calls of a run, by which a loop is told.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::Digest256;

/// A tool call with its result, as far as it takes to tell whether another one is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentCall {
    /// Tool and input, cut for a sentence about it.
    pub label: String,
    /// The digest of tool and input.
    pub input: Digest256,
    /// The digest of what the model read.
    pub output: Digest256,
    /// Whether it failed or was cut off.
    pub failed: bool,
}

/// The last calls since somebody last looked at them: a person who spoke, or the model, which was told that it repeats itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecentCalls {
    /// Newest last, at most [`RecentCalls::MAX`].
    pub calls: VecDeque<Arc<RecentCall>>,
    /// How often the model was told since a person last spoke.
    pub times_told: u32,
    /// How many calls were answered since it was last told, if it was.
    pub since_told: Option<u32>,
}

impl RecentCalls {
    /// How many calls are retained. A loop of two calls in turn is told by six.
    pub const MAX: usize = 20;

    pub(super) fn push(&mut self, call: Option<RecentCall>) {
        self.since_told = self.since_told.map(|calls| calls.saturating_add(1));
        self.calls.extend(call.map(Arc::new));
        if self.calls.len() > Self::MAX {
            self.calls.pop_front();
        }
    }

    pub(super) fn told(&mut self) {
        self.calls.clear();
        self.times_told += 1;
        self.since_told = Some(0);
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
