use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use nix::poll::PollFlags;
use sandbox_protocol::{Frames, Request};

/// While a client has not taken so much, nothing more is read from it.
const MAX_UNSENT_BYTES: usize = 256 << 10;
/// Requests answered in a row while others wait.
const MAX_REQUESTS_PER_ROUND: u32 = 16;
const CHUNK_BYTES: usize = 64 << 10;

/// A connection that is never waited for.
pub(super) struct Client {
    stream: UnixStream,
    frames: Frames,
    unsent: VecDeque<Vec<u8>>,
    unsent_bytes: usize,
    /// The bytes of the first part that are sent already.
    sent: usize,
    answered: u32,
    /// Whether whole requests may have come that were not looked at.
    backlog: bool,
}

impl Client {
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            frames: Frames::default(),
            unsent: VecDeque::new(),
            unsent_bytes: 0,
            sent: 0,
            answered: 0,
            backlog: false,
        })
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    pub(super) fn interest(&self) -> PollFlags {
        let mut interest = PollFlags::empty();
        interest.set(PollFlags::POLLIN, self.is_heard());
        interest.set(PollFlags::POLLOUT, self.unsent_bytes > 0);
        interest
    }

    /// Whether there is something to do for it that no descriptor tells.
    pub(super) fn has_backlog(&self) -> bool {
        self.backlog && self.is_heard()
    }

    fn is_heard(&self) -> bool {
        self.unsent_bytes < MAX_UNSENT_BYTES
    }

    /// Sends and reads what can be without waiting.
    pub(super) fn exchange(&mut self) -> io::Result<()> {
        self.flush()?;
        self.answered = 0;
        if !self.is_heard() {
            return Ok(());
        }
        let mut chunk = [0; CHUNK_BYTES];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                self.frames.push(&chunk[..read]);
                Ok(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The next request of this round.
    pub(super) fn next_request(&mut self) -> io::Result<Option<(Request, Vec<u8>)>> {
        self.backlog = self.answered == MAX_REQUESTS_PER_ROUND || !self.is_heard();
        if self.backlog {
            return Ok(None);
        }
        self.answered += 1;
        self.frames.take()
    }

    pub(super) fn send(&mut self, frame: Vec<u8>) {
        self.unsent_bytes += frame.len();
        self.unsent.push_back(frame);
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        while let Some(first) = self.unsent.front() {
            match self.stream.write(&first[self.sent..]) {
                Ok(written) => {
                    self.sent += written;
                    self.unsent_bytes -= written;
                    if self.sent == first.len() {
                        self.sent = 0;
                        self.unsent.pop_front();
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
