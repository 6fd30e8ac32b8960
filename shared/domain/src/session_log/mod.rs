//! A session's log as a process holds it: what was read, and the right to append.
//!
//! Every append names the last event that was read and fails if the log has grown since. The writer then reads what was
//! added, checks whether it may still write, decides again, and retries.

mod append;
mod error;
mod fence;
mod folded;
mod logs;
mod messages;
mod snapshot;

use std::collections::BTreeSet;
use std::time::Duration;

pub use error::SessionLogError;
use jiff::Timestamp;
pub use logs::SessionLogs;
pub use messages::MessagesError;
pub use snapshot::SNAPSHOT_VERSION;

use crate::state::SessionState;
use crate::transcript::Recap;
use crate::{
    Attempt, CallId, CommandKey, Conversation, EventBody, InvocationId, KnownKey, RunNumber, RunStarted, Seq,
    SessionId, SessionStatus, SpanId, Status, Step, StepStarted, TraceId, Unavailable, Writer,
};
use folded::Folded;
use logs::Cached;

/// The log of one session: what was folded from it, and the right to append.
///
/// The log of a step is fenced: it appends only as long as no later step of its run has started and the run is not over.
/// That makes a zombie harmless: an invocation that the workflow gave up and replaced, but that still runs.
pub struct SessionLog {
    logs: SessionLogs,
    session: SessionId,
    run: RunNumber,
    trace: TraceId,
    span: SpanId,
    /// The step that writes, with its `step.started`; none for commands.
    writer: Option<(Writer, Seq)>,
    /// The key of the command that writes, if it has one.
    command: Option<CommandKey>,
    folded: Folded,
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

impl SessionLog {
    /// Reads what follows the events that were folded already.
    async fn resume(logs: SessionLogs, session: &SessionId, mut folded: Folded) -> Result<Self, SessionLogError> {
        folded.read_tail(logs.event_log.as_ref(), session).await?;
        let state = &folded.state;
        if state.deleted {
            return Err(SessionLogError::Deleted(session.clone()));
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
            command: None,
            logs,
            folded,
        })
    }

    /// Makes this the log of a command with a key: [`SessionLog::decide`] records the command once.
    #[must_use]
    pub fn with_command(self, command: Option<CommandKey>) -> Self {
        Self { command, ..self }
    }

    /// Whether the command that writes is recorded already, by an earlier request with its key.
    ///
    /// # Errors
    /// [`SessionLogError::KeyReused`] when its key came with another command.
    pub fn is_recorded(&self) -> Result<bool, SessionLogError> {
        match self.command.as_ref().and_then(|command| self.folded.state.commands.find(command)) {
            None => Ok(false),
            Some(KnownKey::SameRequest) => Ok(true),
            Some(KnownKey::OtherRequest) => Err(SessionLogError::KeyReused),
        }
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
        let Some(current) = self.folded.state.run_number(run) else {
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
        let writer = Some((Writer { step, attempt }, self.folded.state.tail.next()));
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

    fn into_cached(self) -> Cached {
        Cached { session: self.session, folded: self.folded }
    }

    /// Stores a snapshot, if the log has grown enough since the last one.
    async fn store_snapshot_if_due(&mut self) -> Result<(), Unavailable> {
        if self.folded.is_snapshot_due() { self.store_snapshot().await } else { Ok(()) }
    }

    /// Stores a snapshot, from which the log is opened next.
    pub async fn store_snapshot(&mut self) -> Result<(), Unavailable> {
        let snapshots = self.logs.snapshots.clone();
        snapshots.store(&self.session, &mut self.folded, &self.span).await
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

    /// The `step.started` of the step that writes; 0 for a command.
    pub fn step(&self) -> Seq {
        self.writer.map_or(Seq(0), |(_, started)| started)
    }

    /// The span that appended events belong to.
    pub fn span(&self) -> &SpanId {
        &self.span
    }

    /// The state folded from the log, as far as it was read.
    pub fn state(&self) -> &SessionState {
        &self.folded.state
    }

    /// What a compaction without a note by the model passes on of the main conversation.
    pub fn recap(&self) -> &Recap {
        self.folded.transcripts.recap()
    }

    /// The ids of the tool calls of the main conversation since it was last restarted.
    pub fn call_ids(&self) -> &BTreeSet<CallId> {
        self.folded.transcripts.of(Conversation::Main).call_ids()
    }

    /// The state after further events, which are not appended.
    ///
    /// # Errors
    /// [`SessionLogError::Illegal`] when an event must not follow the state.
    pub fn state_after(&self, bodies: &[EventBody]) -> Result<SessionState, SessionLogError> {
        Ok(self.batch(bodies.to_vec())?.1)
    }

    /// Reads what was appended since the last read.
    ///
    /// # Errors
    /// [`SessionLogError::Corrupt`] or [`SessionLogError::Unavailable`].
    pub async fn refresh(&mut self) -> Result<(), SessionLogError> {
        Ok(self.folded.read_tail(self.logs.event_log.as_ref(), &self.session).await?)
    }

    /// Waits until the log grows, at most `timeout`, and reads what was appended.
    ///
    /// # Errors
    /// As [`SessionLog::refresh`].
    pub async fn wait(&mut self, timeout: Duration) -> Result<(), SessionLogError> {
        if self.logs.event_log.wait(&self.session, self.folded.state.tail, timeout).await? {
            self.refresh().await?;
        }
        Ok(())
    }

    /// Reads what others appended, after a conflict with it.
    ///
    /// # Errors
    /// [`SessionLogError::Deleted`] when there is nothing new; otherwise as [`SessionLog::refresh`].
    pub async fn read_others(&mut self) -> Result<(), SessionLogError> {
        let tail = self.folded.state.tail;
        self.refresh().await?;
        // Only a log that was deleted meanwhile conflicts and has nothing new.
        if self.folded.state.tail == tail { Err(SessionLogError::Deleted(self.session.clone())) } else { Ok(()) }
    }
}
