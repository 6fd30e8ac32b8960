//! What a step has at hand while it works.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use domain::ports::{Clock, EventLog, Ids, Sessions, Traces, elapsed};
use domain::state::RunState;
use domain::{
    Attributes, ErrorCode, EventBody, Redactor, Session, SessionLog, SessionLogCache, Span, SpanId, SpanKind,
    SpanOutcome, StepError, StepInput, Terminal, error_chain,
};
use jiff::Timestamp;

/// What every step needs of the outside.
#[derive(Clone)]
pub struct Common {
    /// The logs.
    pub event_log: Arc<dyn EventLog>,
    /// What was read of them.
    pub log_cache: SessionLogCache,
    /// The records.
    pub sessions: Arc<dyn Sessions>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Identifiers.
    pub ids: Arc<dyn Ids>,
    /// Spans.
    pub traces: Arc<dyn Traces>,
    /// Masks what enters and what is shown.
    pub redactor: Redactor,
    /// How long a person may take to answer.
    pub answer_timeout: Duration,
}

/// One invocation of a step.
pub struct Context {
    /// The outside.
    pub common: Common,
    /// The session's log.
    pub log: SessionLog,
    /// What the workflow handed over.
    pub input: StepInput,
    /// Events that are written together with `step.finished`, in one batch.
    pub closing: Vec<EventBody>,
    ends: Timestamp,
}

/// How a piece of work under [`Context::until_cancelled`] ended.
pub enum Watched<T> {
    /// By itself.
    Done(T),
    /// The run is to be cancelled, or another invocation has taken over.
    Stopped,
}

impl Context {
    pub(crate) fn new(
        common: Common,
        log: SessionLog,
        input: StepInput,
        started: Timestamp,
        deadline: Duration,
    ) -> Self {
        Self { common, log, input, closing: Vec::new(), ends: started + deadline }
    }

    /// What is fixed about the session.
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
        elapsed(self.common.clock.now(), self.ends)
    }

    /// A child span of this step. Call [`Context::end`] when the work is done.
    pub fn span(&self, name: impl Into<String>, kind: SpanKind) -> OpenSpan {
        OpenSpan {
            id: self.common.ids.span(),
            parent: self.log.span().clone(),
            name: name.into(),
            kind,
            start: self.common.clock.now(),
            attributes: Attributes::new(),
        }
    }

    /// Emits a span that was opened here.
    pub fn end(&self, span: OpenSpan, outcome: SpanOutcome) {
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

    /// Does a piece of work under a span of its own.
    pub async fn spanned<T, E: std::error::Error + 'static>(
        &self,
        name: impl Into<String>,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let span = self.span(name, SpanKind::Client);
        let result = work.await;
        let outcome = match &result {
            Ok(_) => SpanOutcome::Ok,
            Err(error) => SpanOutcome::Error(self.common.redactor.redact(&error_chain(error)).into_owned()),
        };
        self.end(span, outcome);
        result
    }

    /// Does a piece of work until it is done or the run is to be cancelled.
    pub async fn until_cancelled<T>(&self, work: impl Future<Output = T>) -> Watched<T> {
        // It may have been asked for while this invocation was writing something else.
        if self.log.is_stop_requested() {
            return Watched::Stopped;
        }
        let watch = self.log.stop_requested();
        futures_util::pin_mut!(work, watch);
        match futures_util::future::select(work, watch).await {
            futures_util::future::Either::Left((done, _)) => Watched::Done(done),
            futures_util::future::Either::Right(((), _)) => Watched::Stopped,
        }
    }
}

/// A span that has not ended.
pub struct OpenSpan {
    /// Its id.
    pub id: SpanId,
    /// The span it belongs to.
    pub parent: SpanId,
    /// What it is.
    pub name: String,
    /// The side of a call it stands for.
    pub kind: SpanKind,
    /// When it began.
    pub start: Timestamp,
    /// What is known about it.
    pub attributes: Attributes,
}

/// A defect of ours, which ends the run: with the error that showed it, or a sentence about it.
pub(crate) fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StepError {
    let error = error.into();
    StepError::terminal(ErrorCode::Internal, error_chain(error.as_ref()))
}
