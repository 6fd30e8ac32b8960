//! A sink for tests.

use std::sync::{Mutex, PoisonError};

use domain::Span;
use domain::ports::Traces;

/// Keeps every span it is given, in the order in which they came.
#[derive(Debug, Default)]
pub struct Collected(Mutex<Vec<Span>>);

impl Collected {
    /// The spans so far.
    pub fn spans(&self) -> Vec<Span> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Traces for Collected {
    fn emit(&self, span: Span) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(span);
    }

    fn flush(&self) {}
}
