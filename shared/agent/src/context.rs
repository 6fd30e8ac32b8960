//! What a step works with: the ports that all steps share, the session's log, the time left.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use domain::ports::{Clock, Ids, Sessions, Traces, elapsed};
use domain::state::RunState;
use domain::{
    Attributes, ErrorCode, EventBody, Redactor, Session, SessionLog, SessionLogs, Span, SpanId, SpanKind, SpanOutcome,
    StepError, StepInput, Terminal, error_chain,
};
use jiff::Timestamp;

/// The ports and settings that all steps share.
#[derive(Clone)]
pub struct Common {
    pub logs: SessionLogs,
    pub sessions: Arc<dyn Sessions>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub traces: Arc<dyn Traces>,
    pub redactor: Redactor,
    pub overlap: Overlap,
    /// How long a user may take to answer a question before the wait expires.
    pub answer_timeout: Duration,
}

/// Whether a second invocation with the same identity may start while the first one still works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// A workflow service delivers a task at least once. An equal invocation waits for the end of the first one, and takes over
    /// only after that one's deadline.
    Possible,
    /// The caller holds a lock on the session. So an invocation without an end in the log belongs to a process that died, and
    /// an equal one takes over at once.
    Excluded,
}

/// One invocation of a step.
pub struct Context {
    pub common: Common,
    pub log: SessionLog,
    pub input: StepInput,
    /// Events that are appended together with `step.finished`, in one batch: none of them is in the log without the
    /// verdict that follows from it.
    pub closing: Vec<EventBody>,
    deadline: Timestamp,
}

/// The result of [`Context::run_until_stopped`].
pub enum Interruptible<T> {
    Completed(T),
    /// The run is cancelled, or another invocation has taken over.
    Stopped,
}

impl Context {
    pub(crate) fn new(common: Common, log: SessionLog, input: StepInput, deadline: Timestamp) -> Self {
        Self { common, log, input, closing: Vec::new(), deadline }
    }

    /// The session's fixed facts: owner, request, set-up, trace.
    pub fn session(&self) -> Result<&Session, Terminal> {
        let missing = || Terminal::new(ErrorCode::LogCorrupt, "the log does not begin with the session's creation");
        self.log.state().session.as_deref().ok_or_else(missing)
    }

    /// The run that the step works on.
    pub fn run(&self) -> Result<&RunState, StepError> {
        let run = self.log.state().run_number(self.input.run);
        run.ok_or_else(|| internal("the run is not in the log"))
    }

    /// The time this invocation has left.
    pub fn time_left(&self) -> Duration {
        elapsed(self.common.clock.now(), self.deadline)
    }

    /// Starts a child span of this step. [`Context::end_span`] ends and emits it.
    pub fn start_span(&self, name: impl Into<String>, kind: SpanKind) -> OpenSpan {
        OpenSpan {
            id: self.common.ids.span(),
            parent: self.log.span().clone(),
            name: name.into(),
            kind,
            start: self.common.clock.now(),
            attributes: Attributes::new(),
        }
    }

    /// Ends a span and emits it.
    pub fn end_span(&self, span: OpenSpan, outcome: SpanOutcome) {
        let Some(session) = &self.log.state().session else { return };
        self.common.traces.emit(Span {
            trace_id: session.trace.trace_id.clone(),
            span_id: span.id,
            parent: Some(span.parent),
            name: span.name,
            kind: span.kind,
            start: span.start,
            end: self.common.clock.now(),
            attributes: span.attributes,
            outcome,
        });
    }

    /// Runs `work` in a span of its own.
    pub async fn in_span<T, E: std::error::Error + 'static>(
        &self,
        name: impl Into<String>,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let span = self.start_span(name, SpanKind::Client);
        let result = work.await;
        let outcome = match &result {
            Ok(_) => SpanOutcome::Ok,
            Err(error) => SpanOutcome::Error(self.common.redactor.redact(&error_chain(error)).into_owned()),
        };
        self.end_span(span, outcome);
        result
    }

    /// Runs `work` until it completes, the run is cancelled, or another invocation of the step takes over.
    pub async fn run_until_stopped<T>(&self, work: impl Future<Output = T>) -> Interruptible<T> {
        // An append of this invocation may have read the request to stop already. Then the work is not started at all.
        if self.log.is_stop_requested() {
            return Interruptible::Stopped;
        }
        let stop = self.log.stop_requested();
        futures_util::pin_mut!(work, stop);
        match futures_util::future::select(work, stop).await {
            futures_util::future::Either::Left((result, _)) => Interruptible::Completed(result),
            futures_util::future::Either::Right(((), _)) => Interruptible::Stopped,
        }
    }
}

/// A span that has not ended.
pub struct OpenSpan {
    pub id: SpanId,
    pub parent: SpanId,
    pub name: String,
    pub kind: SpanKind,
    pub start: Timestamp,
    pub attributes: Attributes,
}

/// A terminal error for a defect of this program, with the error that revealed it or a sentence about it.
pub(crate) fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StepError {
    let error = error.into();
    StepError::terminal(ErrorCode::Internal, error_chain(error.as_ref()))
}
