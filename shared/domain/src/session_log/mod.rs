//! A session's log as a process holds it: what was read, and the right to append.
//!
//! Every append names the last event that was read and fails if the log has grown since. The writer then reads what was
//! added, checks whether it may still write, decides again, and retries.

mod cache;
mod error;

use std::sync::Arc;
use std::time::Duration;

pub use cache::SessionLogCache;
pub use error::SessionLogError;
use jiff::Timestamp;

use crate::ports::{AppendError, Clock, EventLog, read_all};
use crate::state::SessionState;
use crate::{
    Attempt, Event, EventBody, InvocationId, RunNumber, RunStarted, Seq, SessionId, SessionStatus, SpanId, Status,
    Step, StepStarted, TraceId, Writer,
};

/// The log of one session: its events, the state folded from them, and the right to append.
///
/// The log of a step is fenced: it appends only as long as no later step of its run has started and the run is not over.
/// That makes a zombie harmless: an invocation that the workflow gave up and replaced, but that still runs.
pub struct SessionLog {
    event_log: Arc<dyn EventLog>,
    clock: Arc<dyn Clock>,
    session: SessionId,
    run: RunNumber,
    trace: TraceId,
    span: SpanId,
    /// The step that writes, with its `step.started`; none for commands.
    writer: Option<(Writer, Seq)>,
    events: Vec<Event>,
    state: SessionState,
}

/// The step that a log becomes the log of.
#[derive(Debug, Clone)]
pub struct StepStart {
    pub step: Step,
    /// The span of this invocation.
    pub span: SpanId,
    /// None when the caller did not say.
    pub invocation: Option<InvocationId>,
    /// When this invocation is cut off, if it has not ended by then.
    pub deadline: Timestamp,
}

/// The events that were read of a log, and the state folded from them.
#[derive(Default)]
struct LogSnapshot {
    events: Vec<Event>,
    state: SessionState,
}

/// Interval at which running work checks whether it is to stop. A cancel has to be noticed within two seconds.
const STOP_POLL: Duration = Duration::from_secs(1);

impl SessionLog {
    /// Reads the log of a session, to append to its latest run as a command, which has no fence.
    ///
    /// # Errors
    /// [`SessionLogError::NotFound`] for a log without a session or without a run.
    pub async fn open(
        event_log: Arc<dyn EventLog>,
        clock: Arc<dyn Clock>,
        session: &SessionId,
    ) -> Result<Self, SessionLogError> {
        Self::resume(event_log, clock, session, LogSnapshot::default()).await
    }

    /// Like [`SessionLog::open`], but reads only what follows the snapshot.
    async fn resume(
        event_log: Arc<dyn EventLog>,
        clock: Arc<dyn Clock>,
        session: &SessionId,
        LogSnapshot { mut events, mut state }: LogSnapshot,
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

    /// Makes this the log of a step: appends `step.started`, which fences off every earlier invocation, and the status that
    /// goes with the step.
    ///
    /// False when the log has grown since it was read: nothing was written. The caller then refreshes and decides again whether
    /// the step is to be started, since what was added may be the start of a duplicate.
    ///
    /// # Errors
    /// [`SessionLogError::Stale`] when the run is over, [`SessionLogError::NotFound`] when there is no such run.
    pub async fn start_step(&mut self, run: RunNumber, start: &StepStart) -> Result<bool, SessionLogError> {
        let Some(current) = self.state.run_number(run) else {
            return Err(SessionLogError::NotFound(self.session.clone()));
        };
        if current.status.is_terminal() {
            return Err(SessionLogError::Stale);
        }
        let StepStart { step, span, invocation, deadline } = start.clone();
        let attempt = Attempt(current.invocations.get(&step).copied().unwrap_or(0) + 1);
        let mut bodies = vec![StepStarted { step, attempt, invocation, deadline: Some(deadline) }.into()];
        if let Some(status) = Status::during(step)
            && current.status.may_become(status)
        {
            bodies.push(SessionStatus { status }.into());
        }
        // The batch is appended right after the tail or not at all, so the number of its first event is known.
        let writer = Some((Writer { step, attempt }, self.state.tail.next()));
        let before = (self.run, std::mem::replace(&mut self.span, span), self.writer);
        (self.run, self.writer) = (run, writer);
        let started = self.try_append(bodies).await;
        if !matches!(started, Ok(true)) {
            (self.run, self.span, self.writer) = before;
        }
        started
    }

    /// Starts the run with this number, with further events in the same batch.
    ///
    /// # Errors
    /// [`SessionLogError::Illegal`] when it is not the next run, or the one before is not over: somebody else has started it.
    pub async fn start_run(
        &mut self,
        run: RunNumber,
        started: RunStarted,
        mut bodies: Vec<EventBody>,
    ) -> Result<(), SessionLogError> {
        let previous = (self.run, self.span.clone());
        (self.run, self.span) = (run, started.root_span_id.clone());
        bodies.insert(0, started.into());
        let appended = self.append(bodies).await;
        if appended.is_err() {
            (self.run, self.span) = previous;
        }
        appended
    }

    fn into_snapshot(self) -> (SessionId, LogSnapshot) {
        (self.session, LogSnapshot { events: self.events, state: self.state })
    }

    pub fn session_id(&self) -> &SessionId {
        &self.session
    }

    /// The run that appended events belong to.
    pub fn run(&self) -> RunNumber {
        self.run
    }

    /// The invocation of the step that writes; 1 for a command.
    pub fn attempt(&self) -> Attempt {
        self.writer.map_or(Attempt(1), |(writer, _)| writer.attempt)
    }

    /// The span that appended events belong to.
    pub fn span(&self) -> &SpanId {
        &self.span
    }

    /// The state folded from the log, as far as it was read.
    pub fn state(&self) -> &SessionState {
        &self.state
    }

    /// The events, as far as they were read: for showing them, to the model or to people. Decisions are made by
    /// [`SessionLog::state`].
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Reads what was appended since the last read.
    ///
    /// # Errors
    /// [`SessionLogError::Corrupt`] or [`SessionLogError::Unavailable`].
    pub async fn refresh(&mut self) -> Result<(), SessionLogError> {
        for event in read_all(self.event_log.as_ref(), &self.session, self.state.tail).await? {
            self.state.apply(&event);
            self.events.push(event);
        }
        Ok(())
    }

    /// Appends events that do not depend on the state, after whatever others appended meanwhile.
    ///
    /// # Errors
    /// As [`SessionLog::decide`].
    pub async fn append(&mut self, bodies: Vec<EventBody>) -> Result<(), SessionLogError> {
        self.decide(|_| Ok::<_, SessionLogError>(bodies.clone())).await
    }

    /// Appends the events that `decide` derives from the state. Calls it again with the new state whenever somebody else
    /// appended first, so the events always follow from the state they are appended to.
    ///
    /// # Errors
    /// The error of `decide`; [`SessionLogError::Stale`] when this step was replaced or its run is over;
    /// [`SessionLogError::Illegal`] when an event must not follow the state. After [`SessionLogError::Unavailable`] it is not
    /// known whether the batch was written; [`SessionLog::refresh`] tells.
    pub async fn decide<E: From<SessionLogError>>(
        &mut self,
        mut decide: impl FnMut(&SessionState) -> Result<Vec<EventBody>, E>,
    ) -> Result<(), E> {
        // Checked in every round, because the append itself compares positions only: after a conflict the tail may contain the
        // `step.started` of a newer attempt, and a retry on top of it would succeed.
        self.append_decided(|log| {
            log.check_fence()?;
            decide(&log.state)
        })
        .await
    }

    /// Like [`SessionLog::decide`], for what follows the end of a run, which makes every step of the run stale.
    ///
    /// # Errors
    /// As [`SessionLog::decide`], but never [`SessionLogError::Stale`].
    pub async fn decide_after_end(
        &mut self,
        mut decide: impl FnMut(&SessionState) -> Vec<EventBody>,
    ) -> Result<(), SessionLogError> {
        self.append_decided(|log| Ok(decide(&log.state))).await
    }

    async fn append_decided<E: From<SessionLogError>>(
        &mut self,
        mut decide: impl FnMut(&Self) -> Result<Vec<EventBody>, E>,
    ) -> Result<(), E> {
        loop {
            let bodies = decide(self)?;
            if bodies.is_empty() || self.try_append(bodies).await? {
                return Ok(());
            }
            self.refresh().await?;
        }
    }

    /// Whether this step may still write, as far as the log was read.
    ///
    /// # Errors
    /// [`SessionLogError::Stale`] when a newer attempt has taken over or the run is over. Never for a command.
    pub fn check_fence(&self) -> Result<(), SessionLogError> {
        if self.is_stale(&self.state) { Err(SessionLogError::Stale) } else { Ok(()) }
    }

    fn is_stale(&self, state: &SessionState) -> bool {
        let Some((_, started)) = self.writer else { return false };
        let run = state.run_number(self.run);
        run.is_none_or(|run| run.status.is_terminal() || run.last_step_started > started)
    }

    /// Whether running work is to stop, as far as the log was read: its run is to be cancelled, or this step is stale.
    pub fn is_stop_requested(&self) -> bool {
        self.requests_stop(&self.state)
    }

    fn requests_stop(&self, state: &SessionState) -> bool {
        let cancelled = state.run_number(self.run).is_some_and(|run| run.cancel.is_some());
        cancelled || self.is_stale(state)
    }

    /// Returns when the log says that running work is to stop. A log that cannot be read does not stop the work: the read is
    /// retried. Leaves [`SessionLog::state`] as it is, so the caller has to refresh.
    pub async fn stop_requested(&self) {
        let mut state = self.state.clone();
        while !self.requests_stop(&state) {
            let waited = self.event_log.wait(&self.session, state.tail, STOP_POLL).await;
            let read = read_all(self.event_log.as_ref(), &self.session, state.tail).await;
            match (waited, read) {
                (Ok(_), Ok(events)) => events.iter().for_each(|event| state.apply(event)),
                (Err(_), _) | (_, Err(_)) => self.clock.sleep(STOP_POLL).await,
            }
        }
    }

    /// One conditional write. False when the log has grown since it was read: nothing was written.
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
