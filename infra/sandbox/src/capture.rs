//! An output stream on its way from an exec to its spool files.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};

use crate::exit::Captured;
use crate::spool::{Spool, Stream};
use crate::{ExecId, Limits};

/// Keeps the first bytes as they come and the last ones in memory until the end.
#[derive(Debug)]
pub(crate) struct Capture {
    stream: Stream,
    /// The reading end, non-blocking; `None` when the exec has closed it.
    pub(crate) pipe: Option<File>,
    /// The spool, and whose output this is.
    place: (Spool, ExecId),
    /// None until the first byte.
    head: Option<File>,
    tail: VecDeque<u8>,
    captured: Captured,
    head_limit: u64,
    tail_limit: usize,
}

/// What reading a pipe once came to.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Read,
    Empty,
    Closed,
}

impl Capture {
    pub(crate) fn new(stream: Stream, pipe: File, spool: &Spool, id: &ExecId, limits: &Limits) -> Self {
        Self {
            stream,
            pipe: Some(pipe),
            place: (spool.clone(), id.clone()),
            head: None,
            tail: VecDeque::new(),
            captured: Captured::default(),
            head_limit: limits.output_bytes,
            tail_limit: usize::try_from(limits.tail_bytes).unwrap_or(usize::MAX),
        }
    }

    /// Takes one chunk, so that one noisy exec does not hold up the others.
    pub(crate) fn pump(&mut self) {
        self.read_once();
    }

    /// Takes what is still in the pipe once all processes are gone. Bounded, because a writing end may have been handed to
    /// a process of another exec.
    pub(crate) fn drain(&mut self) {
        const MOST: u64 = 4 << 20;
        let before = self.captured.total_bytes;
        while self.captured.total_bytes - before < MOST && self.read_once() == Progress::Read {}
        self.pipe = None;
    }

    /// Puts the tail beside the head and says what is kept.
    pub(crate) fn finish(mut self) -> Captured {
        let (spool, id) = &self.place;
        if self.head.as_ref().is_some_and(|head| spool.flush(head).is_err()) {
            // The bytes are there for readers; only a power failure could still take them.
        }
        let tail = self.tail.make_contiguous();
        if !tail.is_empty() && spool.write_tail(id, self.stream, tail).is_ok() {
            self.captured.tail_bytes = tail.len() as u64;
        }
        let kept = self.captured.kept_bytes + self.captured.tail_bytes;
        self.captured.dropped = self.captured.total_bytes.saturating_sub(kept);
        self.captured
    }

    pub(crate) fn tail(&self) -> Vec<u8> {
        self.tail.iter().copied().collect()
    }

    fn read_once(&mut self) -> Progress {
        let Some(pipe) = &mut self.pipe else { return Progress::Closed };
        let mut chunk = [0_u8; 64 << 10];
        match pipe.read(&mut chunk) {
            Ok(0) => {
                self.pipe = None;
                Progress::Closed
            }
            Ok(read) => {
                self.take(&chunk[..read]);
                Progress::Read
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Progress::Empty,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Progress::Read,
            Err(_) => {
                self.pipe = None;
                Progress::Closed
            }
        }
    }

    fn write_head(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let head = match &mut self.head {
            Some(head) => head,
            None => {
                let (spool, id) = &self.place;
                self.head.insert(spool.create_head(id, self.stream)?)
            }
        };
        head.write(bytes)
    }

    fn take(&mut self, chunk: &[u8]) {
        self.captured.total_bytes += chunk.len() as u64;
        let room = usize::try_from(self.head_limit - self.captured.kept_bytes).unwrap_or(usize::MAX);
        let (first, mut rest) = chunk.split_at(chunk.len().min(room));
        let mut unwritten = first;
        while !unwritten.is_empty() {
            match self.write_head(unwritten) {
                Ok(written) if written > 0 => {
                    self.captured.kept_bytes += written as u64;
                    unwritten = &unwritten[written..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => {
                    // A full disk ends the head for good: a gap inside it would go unnoticed.
                    self.head_limit = self.captured.kept_bytes;
                    break;
                }
            }
        }
        rest = &rest[rest.len().saturating_sub(self.tail_limit)..];
        for bytes in [unwritten, rest] {
            self.tail.extend(bytes);
        }
        let surplus = self.tail.len().saturating_sub(self.tail_limit);
        self.tail.drain(..surplus);
    }
}
