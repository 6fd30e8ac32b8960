//! The last tool calls of a run, for loop detection.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Digest256;

/// A tool call with its result, as much as it takes to recognize the same call with the same result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecentCall {
    /// Tool and input, cut for a sentence about the call.
    pub label: String,
    /// Digest of tool and input.
    pub input: Digest256,
    /// Digest of the result as the model read it.
    pub output: Digest256,
    /// Whether it was started, and failed or was cut off.
    pub failed: bool,
}

/// The last calls since a person last sent a message, or since the model was warned that it repeats itself: either may change
/// what the model does.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RecentCalls {
    /// Newest last, at most [`RecentCalls::MAX`].
    pub calls: VecDeque<Arc<RecentCall>>,
    /// Number of warnings since a person last sent a message.
    pub warnings: u32,
    /// Number of calls since the last warning; none without one.
    pub calls_since_warning: Option<u32>,
}

impl RecentCalls {
    /// Number of calls that are retained. Loop detection needs fewer: it recognizes two alternating calls by six.
    pub const MAX: usize = 20;

    pub(super) fn push(&mut self, call: Option<RecentCall>) {
        self.calls_since_warning = self.calls_since_warning.map(|calls| calls.saturating_add(1));
        self.calls.extend(call.map(Arc::new));
        if self.calls.len() > Self::MAX {
            self.calls.pop_front();
        }
    }

    pub(super) fn warned(&mut self) {
        self.calls.clear();
        self.warnings += 1;
        self.calls_since_warning = Some(0);
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
