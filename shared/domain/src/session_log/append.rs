//! Appends to a log: decides on what was read, writes, and decides again when somebody else wrote first.

use crate::ports::AppendError;
use crate::state::{IllegalEvent, SessionState};
use crate::{Event, EventBody};

use super::{SessionLog, SessionLogError};

impl SessionLog {
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
    /// The error of `decide`; [`SessionLogError::KeyReused`] as in [`SessionLog::is_recorded`]; [`SessionLogError::Stale`] when
    /// this step was replaced or its run is over; [`SessionLogError::Illegal`] when an event must not follow the state. After
    /// [`SessionLogError::Unavailable`] it is not known whether the batch was written; [`SessionLog::refresh`] tells.
    pub async fn decide<E: From<SessionLogError>>(
        &mut self,
        mut decide: impl FnMut(&SessionState) -> Result<Vec<EventBody>, E>,
    ) -> Result<(), E> {
        // Checked in every round, because the append itself compares positions only: after a conflict the tail may contain the
        // `step.started` of a newer attempt, and a retry on top of it would succeed.
        self.append_decided(|log| {
            log.check_fence()?;
            decide(&log.folded.state)
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
        self.append_decided(|log| Ok(decide(&log.folded.state))).await
    }

    async fn append_decided<E: From<SessionLogError>>(
        &mut self,
        mut decide: impl FnMut(&Self) -> Result<Vec<EventBody>, E>,
    ) -> Result<(), E> {
        loop {
            // Another request with the same key may have been faster.
            if self.is_recorded()? {
                return Ok(());
            }
            let bodies = decide(self)?;
            if bodies.is_empty() || self.try_append(bodies).await? {
                return Ok(());
            }
            self.read_others().await?;
        }
    }

    /// One conditional write. False when the log has grown since it was read: nothing was written.
    pub(super) async fn try_append(&mut self, bodies: Vec<EventBody>) -> Result<bool, SessionLogError> {
        let (batch, next) = self.batch(bodies)?;
        match self.logs.event_log.append(&self.session, self.folded.state.tail, &batch).await {
            Ok(()) => {
                self.folded.state = next;
                batch.iter().for_each(|event| self.folded.transcripts.apply(event));
                Ok(true)
            }
            Err(AppendError::Conflict) => Ok(false),
            Err(AppendError::Unavailable(unavailable)) => Err(unavailable.into()),
        }
    }

    /// The events that would be appended next, and the state after them.
    pub(super) fn batch(&self, bodies: Vec<EventBody>) -> Result<(Vec<Event>, SessionState), IllegalEvent> {
        let at = self.logs.clock.now();
        let mut next = self.folded.state.clone();
        let mut batch = Vec::with_capacity(bodies.len());
        for body in bodies {
            next.check(self.run, &body)?;
            let event = Event {
                seq: next.tail.next(),
                at,
                run: self.run,
                writer: self.writer.map(|(writer, _)| writer),
                command: self.command.clone().filter(|_| batch.is_empty()),
                trace_id: self.trace.clone(),
                span_id: self.span.clone(),
                body,
            };
            next.apply(&event);
            batch.push(event);
        }
        Ok((batch, next))
    }
}
