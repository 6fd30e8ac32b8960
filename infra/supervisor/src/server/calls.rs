//! What is done about each call.

use std::time::{Duration, Instant};

use sandbox::{Ending, ExecId, Found};
use sandbox_protocol::{
    Answer, ByteRange, Call, Exec, Failure, FailureKind, Listed, MAX_BODY_BYTES, Program, Reply, Request, Stream,
    encode,
};

use super::operations::{Done, Task};
use super::waits::Wait;
use super::{ClientId, Server, convert};

/// Commands whose failure to start is kept for late waits.
const MAX_NOT_STARTED: usize = 1000;
/// What the record of a toolbox operation says instead of a command line.
const TOOLBOX: &str = "toolbox";

type Answered = Result<(Answer, Vec<u8>), Failure>;

impl Server {
    pub(super) fn answer(&mut self, client: ClientId, request: Request, body: &[u8]) {
        let id = request.id;
        let answered = match request.call {
            Call::Start { exec } => self.start(exec, body).map(|found| {
                let started = convert::started(&found);
                Some((Answer::Start(started), Vec::new()))
            }),
            Call::Wait { exec, at_most, head_bytes } => self.wait_for(client, id, &exec, at_most, head_bytes),
            Call::Output { exec, stream, range } => self.output(&exec, stream, range).map(Some),
            Call::Kill { exec } => self.kill(&exec).map(Some),
            Call::List => self.list().map(Some),
            Call::Ask { at_most } => self.operations.prepare(Task::Asked(client, id), at_most, body).map(|job| {
                self.operations.enqueue(job);
                None
            }),
        };
        self.hand_out(None);
        match answered {
            Ok(Some(answer)) => self.reply(client, id, Ok(answer)),
            // Its answer comes later.
            Ok(None) => {}
            Err(failure) => self.reply(client, id, Err(failure)),
        }
    }

    pub(super) fn reply(&mut self, client: ClientId, id: u64, answered: Answered) {
        let Some(client) = self.clients.get_mut(&client) else { return };
        let (outcome, body) = match answered {
            Ok((answer, body)) => (Ok(answer), body),
            Err(failure) => (Err(failure), Vec::new()),
        };
        let too_long = || {
            let failure = Failure::new(FailureKind::Invalid, "the answer is too long for a message");
            encode(&Reply { id, outcome: Err(failure) }, &[])
        };
        if let Ok(frame) = encode(&Reply { id, outcome }, &body).or_else(|_| too_long()) {
            client.send(frame);
        }
    }

    fn start(&mut self, exec: Exec, body: &[u8]) -> Result<Found, Failure> {
        let id = convert::exec_id(&exec.id)?;
        match exec.program.clone() {
            Program::Command(argv) => {
                let limits = &self.order.specification.limits;
                let exec = convert::command(exec, id.clone(), argv, body, limits);
                let found = self.sandbox.start_or_attach(exec).map_err(convert::failure)?;
                self.not_started.remove(&id);
                Ok(found)
            }
            Program::Toolbox => {
                let job = self.operations.prepare(Task::Recorded(id.clone()), exec.timeout, body)?;
                let found = self.sandbox.begin(&id, TOOLBOX).map_err(convert::failure)?;
                match &found {
                    Found::Started => self.operations.enqueue(job),
                    Found::Running | Found::Finished(_) | Found::CutOff => {}
                }
                Ok(found)
            }
        }
    }

    fn wait_for(
        &mut self,
        client: ClientId,
        request: u64,
        exec: &str,
        at_most: Duration,
        head_bytes: u64,
    ) -> Result<Option<(Answer, Vec<u8>)>, Failure> {
        let exec = convert::exec_id(exec)?;
        match self.sandbox.progress(&exec).map_err(convert::failure)? {
            sandbox::Progress::Running if !at_most.is_zero() => {
                let until = Instant::now().checked_add(at_most);
                self.waits.add(Wait { client, request, exec, until, head_bytes });
                Ok(None)
            }
            sandbox::Progress::Absent
            | sandbox::Progress::Running
            | sandbox::Progress::Finished(_)
            | sandbox::Progress::CutOff => self.progress(&exec, head_bytes).map(Some),
        }
    }

    /// How far an exec is, with the beginning of its output once it has ended.
    fn progress(&self, exec: &ExecId, head_bytes: u64) -> Answered {
        let progress = self.sandbox.progress(exec).map_err(convert::failure)?;
        let head = match &progress {
            sandbox::Progress::Finished(_) => {
                self.sandbox.read(exec, sandbox::Stream::Stdout, 0, bounded(head_bytes)).map_err(convert::failure)?
            }
            sandbox::Progress::Absent | sandbox::Progress::Running | sandbox::Progress::CutOff => Vec::new(),
        };
        match convert::progress(&progress) {
            Some(progress) => Ok((Answer::Wait(progress), head)),
            None => {
                Err(self.not_started.get(exec).cloned().unwrap_or_else(|| {
                    Failure::new(FailureKind::Unknown, format!("no command {exec} was ever started"))
                }))
            }
        }
    }

    pub(super) fn answer_wait(&mut self, wait: &Wait) {
        let answered = self.progress(&wait.exec, wait.head_bytes);
        self.reply(wait.client, wait.request, answered);
    }

    fn output(&self, exec: &str, stream: Stream, range: ByteRange) -> Answered {
        let (exec, stream) = (convert::exec_id(exec)?, convert::stream(stream));
        let read = match range {
            ByteRange::From(offset, length) => self.sandbox.read(&exec, stream, offset, bounded(length)),
            ByteRange::Last(length) => self.sandbox.last(&exec, stream, bounded(length)),
        };
        read.map(|bytes| (Answer::Output, bytes)).map_err(convert::failure)
    }

    fn kill(&mut self, exec: &str) -> Answered {
        let exec = convert::exec_id(exec)?;
        let done = self.operations.kill(&exec, &mut self.sandbox);
        self.hand_out(done);
        self.sandbox.kill(&exec);
        Ok((Answer::Kill, Vec::new()))
    }

    fn list(&self) -> Answered {
        let known = self.sandbox.list().map_err(convert::failure)?;
        let listed = known.iter().filter_map(|(id, progress)| {
            Some(Listed { id: id.as_str().to_owned(), progress: convert::progress(progress)? })
        });
        Ok((Answer::List(listed.collect()), Vec::new()))
    }

    /// Tells everybody who waits for an exec what became of it.
    pub(super) fn conclude(&mut self, exec: ExecId, ending: Ending) {
        match ending {
            Ending::Exit(_) | Ending::CutOff => {}
            Ending::NotStarted { lacking, reason } => {
                let failure = match lacking {
                    Some(part) => Failure::new(
                        FailureKind::Lacking,
                        format!("this machine lacks {part} ({reason}): {}", part.remedy()),
                    ),
                    None => Failure::new(FailureKind::NotStarted, format!("{exec} could not be started: {reason}")),
                };
                if self.not_started.len() == MAX_NOT_STARTED {
                    self.not_started.pop_first();
                }
                self.not_started.insert(exec.clone(), failure);
            }
        }
        self.answer_waits(&exec);
    }

    fn answer_waits(&mut self, exec: &ExecId) {
        for wait in self.waits.take_for(exec) {
            self.answer_wait(&wait);
        }
    }

    /// Hands out what the worker has come to and gives it its next task. A task that no worker can be started for is done at once.
    pub(super) fn hand_out(&mut self, done: Option<Done>) {
        let mut next = done;
        while let Some(done) = next.take().or_else(|| self.operations.advance(&mut self.sandbox)) {
            self.deliver(done);
        }
    }

    fn deliver(&mut self, Done { task, outcome, wall }: Done) {
        match task {
            Task::Recorded(exec) => {
                let (status, response) = outcome.recorded();
                // One that cannot be recorded counts as cut off, which those who wait are told.
                let _ = self.sandbox.finish(&exec, status, wall, &response);
                self.answer_waits(&exec);
            }
            Task::Asked(client, request) => self.reply(client, request, outcome.answered()),
        }
    }
}

fn bounded(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(MAX_BODY_BYTES).min(MAX_BODY_BYTES)
}
