//! What is said between the embedding program, the supervisor and the first process of an exec: length-prefixed frames of a
//! JSON header and a raw body.

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::part::{Failure, Part};
use crate::{Exec, ExecId, Exit, Limits, Specification, Status};

/// From the embedding program to the supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    Open(Specification),
    /// The body is the standard input.
    Start {
        call: u64,
        exec: Exec,
    },
    Kill {
        id: ExecId,
    },
}

/// From the supervisor to the embedding program.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    Opened(Result<(), Refusal>),
    Started { call: u64, outcome: Result<Outcome, String> },
    Ended { run: u64, ending: Ending },
}

/// Why a sandbox was not opened.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Refusal {
    InUse,
    Lacking { part: Part, detail: String },
    Other(String),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure.part {
            Some(part) => Self::Lacking { part, detail: failure.detail },
            None => Self::Other(failure.detail),
        }
    }
}

/// What a request to start found. `run` tells attempts under one id apart: one that was not started may be followed by another.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Outcome {
    Started { run: u64 },
    Running { run: u64 },
    Finished(Exit),
    CutOff,
}

/// What became of an exec.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Ending {
    Exit(Exit),
    NotStarted(Failure),
    Lost,
}

/// What the first process of an exec is to run; nothing in it needs looking up.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Launch {
    pub(crate) argv: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) search: Vec<String>,
    pub(crate) working_directory: String,
    pub(crate) limits: Limits,
}

/// What the first process of an exec has to say, once.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    NotStarted(Failure),
    Ended { status: Status, background_ended: u32, cpu_microseconds: u64 },
}

/// More than any legitimate frame; a peer that announces more is not ours.
const MAXIMUM: usize = 512 << 20;

pub(crate) fn send(to: &mut impl Write, header: &impl Serialize, body: &[u8]) -> io::Result<()> {
    let header = serde_json::to_vec(header)?;
    let mut frame = Vec::with_capacity(16 + header.len());
    frame.extend_from_slice(&(header.len() as u64).to_le_bytes());
    frame.extend_from_slice(&(body.len() as u64).to_le_bytes());
    frame.extend_from_slice(&header);
    to.write_all(&frame)?;
    to.write_all(body)
}

/// Waits for a whole frame; `None` when the other side has closed between two frames.
pub(crate) fn receive<T: DeserializeOwned>(
    from: &mut impl Read,
    frames: &mut Frames,
) -> io::Result<Option<(T, Vec<u8>)>> {
    loop {
        if let Some(frame) = frames.next()? {
            return Ok(Some(frame));
        }
        if !frames.fill(from)? {
            return Ok(None);
        }
    }
}

/// Bytes that have come and are not yet a whole frame.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    buffer: Vec<u8>,
}

impl Frames {
    /// Reads once; false at the end of the stream.
    pub(crate) fn fill(&mut self, from: &mut impl Read) -> io::Result<bool> {
        let mut chunk = [0_u8; 64 << 10];
        loop {
            match from.read(&mut chunk) {
                Ok(0) => return Ok(false),
                Ok(read) => {
                    self.buffer.extend_from_slice(&chunk[..read]);
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The next whole frame, if it has come.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<(T, Vec<u8>)>> {
        let Some((header, body)) = self.lengths()? else { return Ok(None) };
        let end = 16 + header + body;
        if self.buffer.len() < end {
            return Ok(None);
        }
        let message = serde_json::from_slice(&self.buffer[16..16 + header])?;
        let content = self.buffer[16 + header..end].to_vec();
        self.buffer.drain(..end);
        Ok(Some((message, content)))
    }

    fn lengths(&self) -> io::Result<Option<(usize, usize)>> {
        let number = |from: usize| {
            let bytes: [u8; 8] = self.buffer.get(from..from + 8)?.try_into().ok()?;
            usize::try_from(u64::from_le_bytes(bytes)).ok()
        };
        match (number(0), number(8)) {
            (Some(header), Some(body)) if header.saturating_add(body) > MAXIMUM => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is too long"))
            }
            (Some(header), Some(body)) => Ok(Some((header, body))),
            (Some(_), None) | (None, Some(_) | None) => Ok(None),
        }
    }
}
