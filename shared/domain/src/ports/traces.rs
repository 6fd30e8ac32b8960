//! The port for spans.

use crate::Span;

/// Takes finished spans.
///
/// Contract: never blocks the caller on the network and never fails; a collector that cannot be reached costs spans,
/// not sessions. A span id is emitted at most once: the caller emits a run's root span only after its terminal event
/// was appended by the caller itself. [`Traces::flush`] takes two seconds at most.
pub trait Traces: Send + Sync {
    /// Hands over a finished span.
    fn emit(&self, span: Span);

    /// Sends what is buffered, before a process freezes or ends.
    fn flush(&self);
}
