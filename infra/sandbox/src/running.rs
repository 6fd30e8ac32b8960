//! One running exec, as the supervisor sees it.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::PollFlags;
use nix::unistd::pipe2;

use crate::capture::Capture;
use crate::command::Standard;
use crate::exit::{Captured, Exit, Status};
use crate::hold::{Hold, Word};
use crate::spool::{Spool, Stream};
use crate::{Exec, ExecId, LimitReached, Limits, Output};

pub(crate) struct Running {
    pub(crate) id: ExecId,
    pub(crate) hold: Hold,
    input: Option<Input>,
    stdout: Capture,
    stderr: Option<Capture>,
    phase: Phase,
    began: Instant,
    grace: Duration,
    /// That ended it.
    limit: Option<LimitReached>,
    /// Kills for memory in the sandbox before it started.
    memory_kills: u64,
}

/// Standard input on its way.
struct Input {
    pipe: File,
    bytes: Vec<u8>,
    written: usize,
}

/// How near its end an exec is, and why. `None` for a moment too far away to be told.
enum Phase {
    Working { until: Option<Instant> },
    Ending { because: Status, kill_at: Option<Instant> },
    Killing { because: Status },
}

/// Which of an exec's descriptors has something to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voice {
    Control,
    Input,
    Stdout,
    Stderr,
}

impl Running {
    /// Makes the pipes; the other ends go to the first process.
    pub(crate) fn new(
        exec: Exec,
        run: u64,
        limits: &Limits,
        memory_kills: u64,
        spool: &Spool,
    ) -> io::Result<(Self, UnixStream, Standard)> {
        let (hold, theirs) = Hold::new(run)?;
        let (input, their_input) = input_pipe(exec.stdin)?;
        let (stdout, their_output) = output_pipe()?;
        let stdout = Capture::new(Stream::Stdout, stdout, spool, &exec.id, limits);
        let (stderr, their_error) = match exec.output {
            Output::Merged => (None, their_output.try_clone()?),
            Output::Separate => {
                let (pipe, their_error) = output_pipe()?;
                (Some(Capture::new(Stream::Stderr, pipe, spool, &exec.id, limits)), their_error)
            }
        };
        let began = Instant::now();
        let phase = Phase::Working { until: began.checked_add(exec.timeout) };
        let grace = limits.grace;
        let limit = None;
        let running = Self { id: exec.id, hold, input, stdout, stderr, phase, began, grace, limit, memory_kills };
        Ok((running, theirs, Standard { input: their_input, output: their_output, error: their_error }))
    }

    /// What to poll for.
    pub(crate) fn voices(&self) -> impl Iterator<Item = (Voice, BorrowedFd<'_>, PollFlags)> {
        let input = self.input.as_ref().map(|input| (Voice::Input, input.pipe.as_fd(), PollFlags::POLLOUT));
        [
            Some((Voice::Control, self.hold.source(), PollFlags::POLLIN)),
            input,
            output(Voice::Stdout, Some(&self.stdout)),
            output(Voice::Stderr, self.stderr.as_ref()),
        ]
        .into_iter()
        .flatten()
    }

    pub(crate) fn hear(&mut self, voice: Voice) -> Word {
        match voice {
            Voice::Control => return self.hold.listen(),
            Voice::Input => self.feed(),
            Voice::Stdout => self.stdout.pump(),
            Voice::Stderr => self.stderr.iter_mut().for_each(Capture::pump),
        }
        Word::NotYet
    }

    fn feed(&mut self) {
        let Some(input) = &mut self.input else { return };
        match input.pipe.write(&input.bytes[input.written..]) {
            Ok(written) => input.written += written,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return,
            // The command closed its input; what it did not read it did not want.
            Err(_) => input.written = input.bytes.len(),
        }
        if input.written == input.bytes.len() {
            self.input = None;
        }
    }

    /// Ends it as if its time were up, for another reason.
    pub(crate) fn kill(&mut self, now: Instant) {
        if let Phase::Working { .. } = self.phase {
            self.terminate(Status::Killed, now);
        }
    }

    /// Ends it at once because of a limit.
    pub(crate) fn reach(&mut self, limit: LimitReached, now: Instant) {
        if self.limit.is_none() {
            self.limit = Some(limit);
            self.phase = Phase::Killing { because: Status::Killed };
            self.hold.kill(now);
        }
    }

    /// When time alone will change something.
    pub(crate) fn next_moment(&self) -> Option<Instant> {
        match self.phase {
            Phase::Working { until } => until,
            Phase::Ending { kill_at, .. } => kill_at,
            Phase::Killing { .. } => self.hold.next_moment(),
        }
    }

    pub(crate) fn tick(&mut self, now: Instant) {
        if self.next_moment().is_none_or(|moment| moment > now) {
            return;
        }
        match self.phase {
            Phase::Working { .. } => self.terminate(Status::TimedOut, now),
            Phase::Ending { because, .. } => {
                self.phase = Phase::Killing { because };
                self.hold.kill(now);
            }
            Phase::Killing { .. } => self.hold.tick(now),
        }
    }

    fn terminate(&mut self, because: Status, now: Instant) {
        self.phase = Phase::Ending { because, kill_at: now.checked_add(self.grace) };
        self.hold.terminate();
    }

    /// The last bytes of an output so far, as far as they are not in its kept start.
    pub(crate) fn tail(&self, stream: Stream) -> Vec<u8> {
        match stream {
            Stream::Stdout => self.stdout.tail(),
            Stream::Stderr => self.stderr.as_ref().map(Capture::tail).unwrap_or_default(),
        }
    }

    /// Takes what is left in the pipes and makes the end durable.
    pub(crate) fn finish(
        mut self,
        report: Status,
        background_ended: u32,
        cpu: Duration,
        memory_kills: u64,
        spool: &Spool,
    ) -> io::Result<Exit> {
        let wall = self.began.elapsed();
        self.stdout.drain();
        self.stderr.iter_mut().for_each(Capture::drain);
        let status = match self.phase {
            Phase::Working { .. } => report,
            Phase::Ending { because, .. } | Phase::Killing { because } => because,
        };
        let stdout = self.stdout.finish();
        let stderr = self.stderr.map_or_else(Captured::default, Capture::finish);
        // The main process may have gone on when the kernel killed another one.
        let killed = (memory_kills > self.memory_kills).then_some(LimitReached::Memory);
        let limit = self.limit.or(killed).or(match status {
            Status::Signalled(libc::SIGXCPU) => Some(LimitReached::ProcessorTime),
            Status::Signalled(libc::SIGXFSZ) => Some(LimitReached::FileSize),
            Status::Exited(_) | Status::Signalled(_) | Status::TimedOut | Status::Killed => None,
        });
        let exit = Exit { status, limit, stdout, stderr, background_ended, wall, cpu };
        spool.finish(&self.id, &exit)?;
        Ok(exit)
    }
}

fn output(voice: Voice, capture: Option<&Capture>) -> Option<(Voice, BorrowedFd<'_>, PollFlags)> {
    let pipe = capture?.pipe.as_ref()?;
    Some((voice, pipe.as_fd(), PollFlags::POLLIN))
}

fn input_pipe(bytes: Vec<u8>) -> io::Result<(Option<Input>, OwnedFd)> {
    if bytes.is_empty() {
        return Ok((None, File::open("/dev/null")?.into()));
    }
    let (theirs, ours) = pipe2(OFlag::O_CLOEXEC)?;
    fcntl(&ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((Some(Input { pipe: ours.into(), bytes, written: 0 }), theirs))
}

fn output_pipe() -> io::Result<(File, OwnedFd)> {
    let (ours, theirs) = pipe2(OFlag::O_CLOEXEC)?;
    fcntl(&ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((ours.into(), theirs))
}
