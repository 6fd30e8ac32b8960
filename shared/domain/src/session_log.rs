//! How events are written: append, and on conflict look again.

use std::sync::Arc;
use std::time::Duration;

use crate::ports::{AppendError, Clock, EventLog};
use crate::state::{IllegalEvent, SessionState};
use crate::{
    Attempt, ErrorCode, Event, EventBody, RunNumber, RunStarted, Seq, SessionId, SessionStatus, SpanId, Status, Step,
    StepError, StepStarted, Terminal, TraceId, Unavailable, Writer, error_chain,
};

/// Why an event was not written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SessionLogError {
    /// A newer invocation of a step has taken over, or the run is over: this writer must stop.
    #[error("a newer attempt has taken over")]
    Stale,
    /// There is no such session.
    #[error("there is no session {0}")]
    NotFound(SessionId),
    /// The event must not follow what the log says by now.
    #[error(transparent)]
    Illegal(#[from] IllegalEvent),
    /// The log cannot be reached.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<SessionLogError> for StepError {
    fn from(error: SessionLogError) -> Self {
        match error {
            SessionLogError::Stale => Self::terminal(ErrorCode::Stale, "a newer attempt has taken over"),
            SessionLogError::NotFound(_) => Self::terminal(ErrorCode::SessionNotFound, error.to_string()),
            SessionLogError::Illegal(illegal) => Self::terminal(ErrorCode::Internal, illegal.to_string()),
            SessionLogError::Unavailable(unavailable) => Self::Retryable(unavailable),
        }
    }
}

/// The log of one session, read to its end, with what it says, and the right to write to it.
///
/// A journal of a step is fenced: it writes only as long as no later step of its run has started and the run is not over.
/// That makes a zombie (a step whose invocation was given up and replaced) harmless.
pub struct SessionLog {
    event_log: Arc<dyn EventLog>,
    clock: Arc<dyn Clock>,
    session: SessionId,
    run: RunNumber,
    trace: TraceId,
    span: SpanId,
    writer: Option<(Writer, Seq)>,
    events: Vec<Event>,
    state: SessionState,
}

/// What was read of a log, and what it says.
#[derive(Default)]
pub(crate) struct Read {
    pub(crate) events: Vec<Event>,
    pub(crate) state: SessionState,
}

/// How many events are fetched at once.
const PAGE: usize = 1000;

/// How long a piece of work goes on at most without looking whether it is to stop.
const STOP_POLL: Duration = Duration::from_secs(1);

impl SessionLog {
    /// Reads the log of a session, to write to its latest run as nobody in particular (a user, the reconciler).
    pub async fn open(
        event_log: Arc<dyn EventLog>,
        clock: Arc<dyn Clock>,
        session: &SessionId,
    ) -> Result<Self, SessionLogError> {
        Self::go_on(event_log, clock, session, Read::default()).await
    }

    /// The same, when the log was read up to some event before.
    pub(crate) async fn go_on(
        event_log: Arc<dyn EventLog>,
        clock: Arc<dyn Clock>,
        session: &SessionId,
        Read { mut events, mut state }: Read,
    ) -> Result<Self, SessionLogError> {
        for event in read_all(event_log.as_ref(), session, state.tail).await? {
            state.apply(&event);
            events.push(event);
        }
        let (Some(fixed), Some(run)) = (&state.session, state.run()) else {
            return Err(SessionLogError::NotFound(session.clone()));
        };
        Ok(Self {
            session: session.clone(),
            run: run.number,
            trace: fixed.trace.trace_id.clone(),
            span: run.root_span.clone(),
            writer: None,
            event_log,
            clock,
            events,
            state,
        })
    }

    /// Becomes the journal of a step: writes `step.started`, which fences off every earlier invocation, and the status
    /// that goes with it. `span` is the span of this invocation.
    pub async fn start_step(mut self, run: RunNumber, step: Step, span: SpanId) -> Result<Self, SessionLogError> {
        self.run = run;
        self.span = span;
        loop {
            let Some(current) = self.state.run_number(run) else {
                return Err(SessionLogError::NotFound(self.session));
            };
            if current.status.is_terminal() {
                return Err(SessionLogError::Stale);
            }
            let attempt = Attempt(current.invocations.get(&step).copied().unwrap_or(0) + 1);
            let mut bodies = vec![StepStarted { step, attempt }.into()];
            if let Some(status) = Status::during(step)
                && current.status.may_become(status)
            {
                bodies.push(SessionStatus { status }.into());
            }
            let writer = Writer { step, attempt };
            self.writer = Some((writer, self.state.tail.next()));
            if self.try_append(bodies).await? {
                return Ok(self);
            }
            self.refresh().await?;
        }
    }

    /// Starts the next run, with the events that belong to its beginning. Fails when somebody else started it.
    pub async fn start_run(
        &mut self,
        started: RunStarted,
        mut bodies: Vec<EventBody>,
    ) -> Result<RunNumber, SessionLogError> {
        loop {
            let previous = (self.run, self.span.clone());
            self.run = self.state.run().map_or(RunNumber(1), |run| run.number.next());
            self.span = started.root_span_id.clone();
            bodies.insert(0, started.clone().into());
            match self.try_append(bodies.clone()).await {
                Ok(true) => return Ok(self.run),
                Ok(false) => {
                    (self.run, self.span) = previous;
                    bodies.remove(0);
                    self.refresh().await?;
                }
                Err(error) => {
                    (self.run, self.span) = previous;
                    return Err(error);
                }
            }
        }
    }

    /// What was read.
    pub(crate) fn into_read(self) -> (SessionId, Read) {
        (self.session, Read { events: self.events, state: self.state })
    }

    /// The session's id.
    pub fn session_id(&self) -> &SessionId {
        &self.session
    }

    /// The run that is written to.
    pub fn run(&self) -> RunNumber {
        self.run
    }

    /// The step's invocation, for a step's journal.
    pub fn attempt(&self) -> Attempt {
        self.writer.map_or(Attempt(1), |(writer, _)| writer.attempt)
    }

    /// The span that events belong to.
    pub fn span(&self) -> &SpanId {
        &self.span
    }

    /// What the log says, as far as it was read.
    pub fn state(&self) -> &SessionState {
        &self.state
    }

    /// The events, as far as they were read: to show them, to the model or to people. What follows from them is in
    /// [`SessionLog::state`].
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Reads what was appended since.
    pub async fn refresh(&mut self) -> Result<(), Unavailable> {
        for event in read_all(self.event_log.as_ref(), &self.session, self.state.tail).await? {
            self.state.apply(&event);
            self.events.push(event);
        }
        Ok(())
    }

    /// Appends events, rebased onto whatever others appended meanwhile.
    pub async fn append(&mut self, bodies: Vec<EventBody>) -> Result<(), SessionLogError> {
        self.decide(|_| Ok::<_, SessionLogError>(bodies.clone())).await
    }

    /// Appends what `decide` makes of the state: asked again with the new state whenever somebody else was faster.
    pub async fn decide<E: From<SessionLogError>>(
        &mut self,
        mut decide: impl FnMut(&SessionState) -> Result<Vec<EventBody>, E>,
    ) -> Result<(), E> {
        loop {
            self.check_fence()?;
            let bodies = decide(&self.state)?;
            if bodies.is_empty() || self.try_append(bodies).await? {
                return Ok(());
            }
            self.refresh().await.map_err(SessionLogError::from)?;
        }
    }

    /// Fails when a newer attempt has taken over, as far as the log was read.
    pub fn check_fence(&self) -> Result<(), SessionLogError> {
        if self.is_overtaken(&self.state) { Err(SessionLogError::Stale) } else { Ok(()) }
    }

    fn is_overtaken(&self, state: &SessionState) -> bool {
        let Some((_, started)) = self.writer else { return false };
        let run = state.run_number(self.run);
        run.is_none_or(|run| run.status.is_terminal() || run.last_step_started > started)
    }

    /// Whether a long piece of work is to be given up, as far as the log was read: its run is to be cancelled, or a newer
    /// attempt has taken over.
    pub fn is_stop_requested(&self) -> bool {
        self.says_stop(&self.state)
    }

    fn says_stop(&self, state: &SessionState) -> bool {
        let cancelled = state.run_number(self.run).is_some_and(|run| run.cancel.is_some());
        cancelled || self.is_overtaken(state)
    }

    /// Returns when the log says that a long piece of work is to be given up. A log that cannot be read does not end the
    /// work. What is read here is not taken in: the caller refreshes.
    pub async fn stop_requested(&self) {
        let mut state = self.state.clone();
        while !self.says_stop(&state) {
            let waited = self.event_log.wait(&self.session, state.tail, STOP_POLL).await;
            let read = read_all(self.event_log.as_ref(), &self.session, state.tail).await;
            match (waited, read) {
                (Ok(()), Ok(events)) => events.iter().for_each(|event| state.apply(event)),
                (Err(_), _) | (_, Err(_)) => self.clock.sleep(STOP_POLL).await,
            }
        }
    }

    /// One conditional write: true when it was done, false when somebody else was faster.
    async fn try_append(&mut self, bodies: Vec<EventBody>) -> Result<bool, SessionLogError> {
        let at = self.clock.now();
        let mut next = self.state.clone();
        let mut batch = Vec::with_capacity(bodies.len());
        for body in bodies {
            next.check(self.run, &body)?;
            let event = Event {
                seq: next.tail.next(),
                at,
                run: self.run,
                writer: self.writer.map(|(writer, _)| writer),
                trace_id: self.trace.clone(),
                span_id: self.span.clone(),
                body,
            };
            next.apply(&event);
            batch.push(event);
        }
        match self.event_log.append(&self.session, self.state.tail, &batch).await {
            Ok(()) => {
                self.state = next;
                self.events.extend(batch);
                Ok(true)
            }
            Err(AppendError::Conflict) => Ok(false),
            Err(AppendError::Unavailable(unavailable)) => Err(unavailable.into()),
        }
    }
}

/// Everything after `after`.
pub async fn read_all(event_log: &dyn EventLog, session: &SessionId, after: Seq) -> Result<Vec<Event>, Unavailable> {
    let mut events: Vec<Event> = Vec::new();
    loop {
        let from = events.last().map_or(after, |event| event.seq);
        let page = event_log.read(session, from, PAGE).await?;
        let last = page.len() < PAGE;
        events.extend(page);
        if last {
            return Ok(events);
        }
    }
}

impl From<SessionLogError> for Terminal {
    fn from(error: SessionLogError) -> Self {
        match StepError::from(error) {
            StepError::Terminal(terminal) => terminal,
            StepError::Retryable(unavailable) => Self::new(ErrorCode::Internal, error_chain(&unavailable)),
        }
    }
}
