//! The port for spans.

use crate::Span;

/// Exports finished spans.
///
/// # Contract
/// - **Callers may rely on** calls not blocking on the network, except [`Traces::flush`], which returns within two seconds. A
///   collector that cannot be reached costs spans, not sessions.
/// - **Callers must** emit a span id at most once: a run's root span is emitted by the process that appended `run.finished`,
///   after that append.
/// - **After a crash** spans that were not flushed are lost.
pub trait Traces: Send + Sync {
    fn emit(&self, span: Span);

    /// Sends what is buffered. To be called before a process freezes or ends.
    fn flush(&self);
}
