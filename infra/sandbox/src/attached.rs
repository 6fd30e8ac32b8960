use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::connection::News;
use crate::spool::{Record, Spool};
use crate::wire::{Ending, Outcome};
use crate::{Error, ExecId, Exit};

/// What [`start_or_attach`](crate::Sandbox::start_or_attach) found under an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing; it was started now.
    NotStarted,
    /// It runs; this caller has joined.
    Running,
    /// It ended earlier; its exit is told again.
    Finished,
    /// It was started under a supervisor that is gone, and no end is recorded. It was not started again.
    CutOff,
}

/// An exec that a caller may wait for. Any number of callers may hold one for the same exec.
#[derive(Clone)]
pub struct Attached {
    id: ExecId,
    found: Found,
    state: State,
    news: Arc<News>,
    spool: Spool,
}

#[derive(Clone)]
enum State {
    Run(u64),
    Finished(Exit),
    CutOff,
}

impl Attached {
    pub(crate) fn new(id: ExecId, outcome: Outcome, news: Arc<News>, spool: Spool) -> Self {
        let (found, state) = match outcome {
            Outcome::Started { run } => (Found::NotStarted, State::Run(run)),
            Outcome::Running { run } => (Found::Running, State::Run(run)),
            Outcome::Finished(exit) => (Found::Finished, State::Finished(exit)),
            Outcome::CutOff => (Found::CutOff, State::CutOff),
        };
        Self { id, found, state, news, spool }
    }

    /// The exec's id.
    pub fn id(&self) -> &ExecId {
        &self.id
    }

    /// In which of the four states it was found.
    pub fn found(&self) -> Found {
        self.found
    }

    /// Blocks until the exec has ended.
    ///
    /// # Errors
    ///
    /// [`Error::CutOff`] when its supervisor went before it ended, [`Error::NotStarted`] and [`Error::Lacking`] when its
    /// command was never reached.
    pub fn wait(&self) -> Result<Exit, Error> {
        match &self.state {
            State::Run(run) => self.conclude(self.news.ending_of(*run)),
            State::Finished(exit) => Ok(exit.clone()),
            State::CutOff => Err(self.cut_off()),
        }
    }

    /// The same for a limited time; `None` when it has not ended by then.
    pub fn wait_timeout(&self, time: Duration) -> Result<Option<Exit>, Error> {
        match &self.state {
            State::Run(run) => match self.news.ending_within(*run, time) {
                Some(ending) => self.conclude(ending).map(Some),
                None => Ok(None),
            },
            State::Finished(exit) => Ok(Some(exit.clone())),
            State::CutOff => Err(self.cut_off()),
        }
    }

    fn conclude(&self, ending: Option<Ending>) -> Result<Exit, Error> {
        match ending {
            Some(Ending::Exit(exit)) => Ok(exit),
            Some(Ending::NotStarted(failure)) => Err(match failure.part {
                Some(part) => Error::Lacking { part, detail: failure.detail, remedy: part.remedy().to_owned() },
                None => Error::NotStarted { id: self.id.clone(), reason: failure.detail },
            }),
            // Its end may have been recorded and not yet told.
            Some(Ending::Lost) | None => match self.spool.record(&self.id) {
                Ok(Record::Finished(exit)) => Ok(exit),
                Ok(Record::CutOff | Record::Absent) | Err(_) => Err(self.cut_off()),
            },
        }
    }

    fn cut_off(&self) -> Error {
        Error::CutOff { id: self.id.clone() }
    }
}

impl fmt::Debug for Attached {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Attached").field("id", &self.id).field("found", &self.found).finish_non_exhaustive()
    }
}
