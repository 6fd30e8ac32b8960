//! The entries into the states of a run's steps: what tells a duplicate or late invocation from a new one.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::text::shorten;
use crate::{
    Attempt, EnteredTime, ErrorCode, InvocationId, Seq, Step, StepFailed, StepFinished, StepOutput, StepStarted,
};

/// Maximum earlier entries that are remembered per step. A function is cut off after 15 minutes, so a delivery that is later
/// than this many entries of its step does not come.
const MAX_EARLIER: usize = 32;

/// Maximum length of a failure's message here. The log has all of it.
const MAX_MESSAGE_CHARACTERS: usize = 1000;

/// Where an invocation stands among those of its step, as far as the log says.
#[derive(Debug, Clone, PartialEq)]
pub enum Delivery<'a> {
    /// Nothing in the log is about it or follows it.
    New,
    /// A later invocation has started: this one must not do anything.
    Old,
    /// An invocation with the same identity has started and not ended.
    Running {
        /// When that one is cut off at the latest; none when it did not record it.
        deadline: Option<Timestamp>,
    },
    /// An invocation with the same identity has ended like this.
    Ended(&'a EntryEnd),
}

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum EntryEnd {
    /// With this answer. The seconds that an `await` still lasts are not in it, since they depend on when it is repeated.
    Answered(StepOutput),
    /// With a terminal error of this code, or with an error that the workflow retries.
    Failed { code: Option<ErrorCode>, message: String },
}

/// The last entry into each step's state, and the identities of those before it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct StepEntries {
    entries: BTreeMap<Step, StepEntry>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct StepEntry {
    last: InvocationId,
    /// Its `step.started`.
    started: Seq,
    attempt: Attempt,
    deadline: Option<Timestamp>,
    end: Option<EntryEnd>,
    /// Oldest first.
    earlier: VecDeque<EnteredTime>,
}

impl StepEntries {
    /// Where an invocation of `step` stands. `last_step_started` is the last `step.started` of the run, of whichever step.
    pub fn delivery(&self, step: Step, id: &InvocationId, last_step_started: Seq) -> Delivery<'_> {
        let Some(entry) = self.entries.get(&step) else { return Delivery::New };
        if entry.last.entered != id.entered {
            return if entry.earlier.contains(&id.entered) { Delivery::Old } else { Delivery::New };
        }
        if id.retry != entry.last.retry {
            return if id.retry < entry.last.retry { Delivery::Old } else { Delivery::New };
        }
        match &entry.end {
            Some(end) => Delivery::Ended(end),
            // It was cut off, and the workflow has gone on to another step.
            None if last_step_started > entry.started => Delivery::Old,
            None => Delivery::Running { deadline: entry.deadline },
        }
    }

    pub(super) fn started(&mut self, seq: Seq, started: &StepStarted) {
        let Some(id) = started.invocation.clone() else { return };
        let mut earlier = VecDeque::new();
        if let Some(before) = self.entries.remove(&started.step) {
            earlier = before.earlier;
            if before.last.entered != id.entered {
                earlier.push_back(before.last.entered);
            }
            while earlier.len() > MAX_EARLIER {
                earlier.pop_front();
            }
        }
        let (attempt, deadline) = (started.attempt, started.deadline);
        let entry = StepEntry { last: id, started: seq, attempt, deadline, end: None, earlier };
        self.entries.insert(started.step, entry);
    }

    pub(super) fn finished(&mut self, finished: &StepFinished) {
        let StepFinished { verdict, wait_seconds, then, .. } = *finished;
        let answer = StepOutput { wait_seconds, then, ..StepOutput::new(verdict) };
        self.end(finished.step, finished.attempt, EntryEnd::Answered(answer));
    }

    pub(super) fn failed(&mut self, failed: &StepFailed) {
        let message = shorten(&failed.message, MAX_MESSAGE_CHARACTERS).into_owned();
        self.end(failed.step, failed.attempt, EntryEnd::Failed { code: failed.code, message });
    }

    fn end(&mut self, step: Step, attempt: Attempt, end: EntryEnd) {
        if let Some(entry) = self.entries.get_mut(&step).filter(|entry| entry.attempt == attempt) {
            entry.end = Some(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;

    const STEP: Step = Step::GenerateTurn;

    fn id(entered: &str, retry: u32) -> InvocationId {
        InvocationId { entered: entered.to_owned().try_into().unwrap(), retry }
    }

    /// Starts an invocation as the event `seq`, which is also its attempt.
    fn start(entries: &mut StepEntries, seq: u32, id: InvocationId) {
        let started = StepStarted { step: STEP, attempt: Attempt(seq), invocation: Some(id), deadline: None };
        entries.started(Seq(seq.into()), &started);
    }

    fn finish(entries: &mut StepEntries, attempt: u32) {
        let attempt = Attempt(attempt);
        let verdict = Verdict::Turn;
        entries.finished(&StepFinished {
            step: STEP,
            attempt,
            verdict,
            wait_seconds: None,
            then: None,
            duration_ms: 0,
        });
    }

    #[test]
    fn an_invocation_is_placed_by_the_log_and_never_by_its_time() {
        let mut entries = StepEntries::default();
        let place = |entries: &StepEntries, entered, retry, last| {
            let id = id(entered, retry);
            match entries.delivery(STEP, &id, Seq(last)) {
                Delivery::New => "new",
                Delivery::Old => "old",
                Delivery::Running { .. } => "running",
                Delivery::Ended(_) => "ended",
            }
        };
        assert_eq!(place(&entries, "12:00", 0, 0), "new");
        start(&mut entries, 1, id("12:00", 1));
        assert_eq!(place(&entries, "12:00", 0, 1), "old", "a retry has started");
        assert_eq!(place(&entries, "12:00", 1, 1), "running");
        assert_eq!(place(&entries, "12:00", 1, 2), "old", "another step has started since");
        assert_eq!(place(&entries, "12:00", 2, 1), "new");
        finish(&mut entries, 1);
        assert_eq!(place(&entries, "12:00", 1, 2), "ended");
        // The clock has stepped back.
        assert_eq!(place(&entries, "11:00", 0, 2), "new");
        start(&mut entries, 3, id("11:00", 0));
        assert_eq!(place(&entries, "12:00", 1, 3), "old");
        assert_eq!(place(&entries, "12:00", 9, 3), "old");
        finish(&mut entries, 1);
        assert_eq!(place(&entries, "11:00", 0, 3), "running", "that was the end of another invocation");
        assert_eq!(entries.delivery(Step::Plan, &id("12:00", 0), Seq(3)), Delivery::New, "steps do not mix");
    }

    #[test]
    fn the_earlier_entries_are_bounded() {
        let mut entries = StepEntries::default();
        for seq in 1..=100 {
            start(&mut entries, seq, id(&format!("entry {seq}"), 0));
        }
        assert_eq!(entries.entries[&STEP].earlier.len(), MAX_EARLIER);
        assert_eq!(entries.delivery(STEP, &id("entry 99", 0), Seq(100)), Delivery::Old);
    }
}
