//! Operations of the toolbox: a queue, and the worker that carries them out one at a time.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::poll::PollFlags;
use sandbox::{ExecId, Sandbox, Status};
use sandbox_protocol::{Answer, Failure, FailureKind, Frames, encode};
use serde::Serialize;
use serde_json::value::RawValue;

use super::ClientId;

/// Operations that wait for the worker.
const MAX_QUEUED: usize = 1000;
const CHUNK_BYTES: usize = 64 << 10;

pub(super) struct Operations {
    workspace: PathBuf,
    state: PathBuf,
    outputs: PathBuf,
    queue: VecDeque<Job>,
    current: Option<Current>,
    worker: Worker,
}

/// Who wants an operation.
pub(super) enum Task {
    Recorded(ExecId),
    Asked(ClientId, u64),
}

pub(super) struct Job {
    task: Task,
    time: Duration,
    frame: Vec<u8>,
}

struct Current {
    task: Task,
    began: Instant,
    /// `None` for a moment too far away to be told.
    until: Option<Instant>,
}

enum Worker {
    Absent,
    Present(Line),
    /// It was killed or hung up, and is not gone yet.
    Leaving,
}

/// The connection to the worker.
struct Line {
    socket: UnixStream,
    frames: Frames,
    unsent: Vec<u8>,
    sent: usize,
}

pub(super) struct Done {
    pub(super) task: Task,
    pub(super) outcome: Outcome,
    pub(super) wall: Duration,
}

pub(super) enum Outcome {
    Response(Vec<u8>),
    Died(Option<Status>),
    TimedOut,
    Killed,
}

impl Outcome {
    /// As the end of an exec with its output.
    pub(super) fn recorded(self) -> (Status, Vec<u8>) {
        match self {
            Self::Response(response) => (Status::Exited(0), response),
            // Without a response nothing has succeeded.
            Self::Died(None | Some(Status::Exited(0))) => (Status::Exited(1), Vec::new()),
            Self::Died(Some(status)) => (status, Vec::new()),
            Self::TimedOut => (Status::TimedOut, Vec::new()),
            Self::Killed => (Status::Killed, Vec::new()),
        }
    }

    pub(super) fn answered(self) -> Result<(Answer, Vec<u8>), Failure> {
        match self {
            Self::Response(response) => Ok((Answer::Ask, response)),
            Self::Died(_) | Self::Killed => {
                let message = "the toolbox's worker died while it carried out the operation";
                Err(Failure::new(FailureKind::WorkerDied, message))
            }
            Self::TimedOut => {
                let message = "the operation took too long, and the toolbox's worker was killed";
                Err(Failure::new(FailureKind::WorkerTimedOut, message))
            }
        }
    }
}

/// A [`toolbox::Request`] with the call as the client has written it.
#[derive(Serialize)]
struct Request<'a> {
    version: u32,
    workspace: &'a Path,
    state: &'a Path,
    outputs: &'a Path,
    call: &'a RawValue,
}

impl Operations {
    pub(super) fn new(layout: &sandbox::Layout) -> Self {
        Self {
            workspace: layout.workspace.clone(),
            state: layout.state.clone(),
            outputs: layout.outputs.clone(),
            queue: VecDeque::new(),
            current: None,
            worker: Worker::Absent,
        }
    }

    /// `call` is the JSON of a [`toolbox::Call`]. Whether it is one is for the worker to say; what is no JSON could break out of the
    /// request around it.
    pub(super) fn prepare(&self, task: Task, time: Duration, call: &[u8]) -> Result<Job, Failure> {
        let invalid = |what: &str| Failure::new(FailureKind::Invalid, format!("the toolbox's call {what}"));
        if self.queue.len() >= MAX_QUEUED {
            return Err(Failure::new(FailureKind::NotStarted, "too many operations wait for the toolbox"));
        }
        let call: &RawValue = serde_json::from_slice(call).map_err(|error| invalid(&format!("is no JSON: {error}")))?;
        let Self { workspace, state, outputs, .. } = self;
        let request = Request { version: toolbox::VERSION, workspace, state, outputs, call };
        let request = serde_json::to_vec(&request).map_err(|error| invalid(&error.to_string()))?;
        let frame = encode(&(), &request).map_err(|error| invalid(&error.to_string()))?;
        Ok(Job { task, time, frame })
    }

    pub(super) fn enqueue(&mut self, job: Job) {
        self.queue.push_back(job);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.current.is_none()
    }

    /// Begins the next operation when nothing is at work. One that no worker can be started for is done.
    pub(super) fn advance(&mut self, sandbox: &mut Sandbox) -> Option<Done> {
        if self.current.is_some() {
            return None;
        }
        match self.worker {
            Worker::Leaving => return None,
            Worker::Absent | Worker::Present(_) => {}
        }
        let Job { task, time, frame } = self.queue.pop_front()?;
        let began = Instant::now();
        if let Worker::Absent = self.worker {
            match sandbox.start_worker().map_err(io::Error::other).and_then(Line::new) {
                Ok(line) => self.worker = Worker::Present(line),
                Err(_) => return Some(Done { task, outcome: Outcome::Died(None), wall: Duration::ZERO }),
            }
        }
        self.current = Some(Current { task, began, until: began.checked_add(time) });
        if let Worker::Present(line) = &mut self.worker {
            // A broken line is heard of as one that is closed.
            let _ = line.send(frame);
        }
        None
    }

    pub(super) fn source(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        match &self.worker {
            Worker::Present(line) => Some((line.socket.as_fd(), line.interest())),
            Worker::Absent | Worker::Leaving => None,
        }
    }

    pub(super) fn hear(&mut self, sandbox: &mut Sandbox) -> Option<Done> {
        let Worker::Present(line) = &mut self.worker else { return None };
        match line.exchange() {
            Ok(None) => None,
            Ok(Some(response)) if self.current.is_some() => self.done(Outcome::Response(response)),
            // It speaks out of turn or has hung up. What it was at is concluded when it is known how it ended.
            Ok(Some(_)) | Err(_) => {
                self.dismiss(sandbox);
                None
            }
        }
    }

    /// To be told when the worker's end is.
    pub(super) fn worker_ended(&mut self, status: Option<Status>) -> Option<Done> {
        let last = match std::mem::replace(&mut self.worker, Worker::Absent) {
            // It may have answered before.
            Worker::Present(mut line) => line.last_words(),
            Worker::Absent | Worker::Leaving => None,
        };
        self.done(last.map_or(Outcome::Died(status), Outcome::Response))
    }

    pub(super) fn next_moment(&self) -> Option<Instant> {
        match self.worker {
            Worker::Present(_) => self.current.as_ref().and_then(|current| current.until),
            Worker::Absent | Worker::Leaving => None,
        }
    }

    pub(super) fn tick(&mut self, now: Instant, sandbox: &mut Sandbox) -> Option<Done> {
        if self.next_moment().is_none_or(|until| until > now) {
            return None;
        }
        self.dismiss(sandbox);
        self.done(Outcome::TimedOut)
    }

    /// Ends the operation that is recorded under this id, if it waits or is at work.
    pub(super) fn kill(&mut self, exec: &ExecId, sandbox: &mut Sandbox) -> Option<Done> {
        let is_it = |task: &Task| matches!(task, Task::Recorded(id) if id == exec);
        if self.current.as_ref().is_some_and(|current| is_it(&current.task)) {
            self.dismiss(sandbox);
            return self.done(Outcome::Killed);
        }
        let position = self.queue.iter().position(|job| is_it(&job.task))?;
        let job = self.queue.remove(position)?;
        Some(Done { task: job.task, outcome: Outcome::Killed, wall: Duration::ZERO })
    }

    /// What a client has asked for and nobody has begun is not done; what is at work is, without an answer.
    pub(super) fn forget(&mut self, client: ClientId) {
        self.queue.retain(|job| !matches!(job.task, Task::Asked(asker, _) if asker == client));
    }

    fn dismiss(&mut self, sandbox: &mut Sandbox) {
        if let Worker::Present(_) = self.worker {
            self.worker = Worker::Leaving;
            sandbox.kill_worker();
        }
    }

    fn done(&mut self, outcome: Outcome) -> Option<Done> {
        let Current { task, began, .. } = self.current.take()?;
        Some(Done { task, outcome, wall: began.elapsed() })
    }
}

impl Line {
    fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket, frames: Frames::default(), unsent: Vec::new(), sent: 0 })
    }

    fn interest(&self) -> PollFlags {
        let mut interest = PollFlags::POLLIN;
        interest.set(PollFlags::POLLOUT, !self.unsent.is_empty());
        interest
    }

    fn send(&mut self, frame: Vec<u8>) -> io::Result<()> {
        self.unsent = frame;
        self.sent = 0;
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.sent < self.unsent.len() {
            match self.socket.write(&self.unsent[self.sent..]) {
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.unsent = Vec::new();
        self.sent = 0;
        Ok(())
    }

    /// Sends and reads what can be without waiting; a whole response if there is one.
    fn exchange(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.flush()?;
        let mut chunk = [0; CHUNK_BYTES];
        match self.socket.read(&mut chunk) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => self.frames.push(&chunk[..read]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
        Ok(self.frames.take::<()>()?.map(|((), response)| response))
    }

    /// What has come before the other end closed.
    fn last_words(&mut self) -> Option<Vec<u8>> {
        let mut chunk = [0; CHUNK_BYTES];
        loop {
            match self.socket.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => self.frames.push(&chunk[..read]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        self.frames.take::<()>().ok().flatten().map(|((), response)| response)
    }
}
