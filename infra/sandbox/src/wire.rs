//! What is said between the supervisor and the first process of an exec: JSON, each message with its length before it.

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::part::Failure;
use crate::{Limits, Status};

/// What the first process of an exec is to start; nothing in it needs looking up.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Launch {
    pub(crate) task: Task,
    pub(crate) limits: Limits,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Task {
    Program(Program),
    /// The function that the sandbox was opened with.
    Worker,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Program {
    pub(crate) argv: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) search: Vec<String>,
    pub(crate) working_directory: String,
}

/// What the first process of an exec has to say, once.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    NotStarted(Failure),
    Ended { status: Status, background_ended: u32, cpu_microseconds: u64 },
}

/// More than any legitimate message: the kernel takes 6 MB of arguments and environment.
const MAXIMUM: usize = 64 << 20;

pub(crate) fn send(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    let mut frame = Vec::with_capacity(8 + text.len());
    frame.extend_from_slice(&(text.len() as u64).to_le_bytes());
    frame.extend_from_slice(&text);
    to.write_all(&frame)
}

/// Waits for a whole message; `None` when the other side has closed before one began.
pub(crate) fn receive<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<T>> {
    let mut frames = Frames::default();
    loop {
        if let Some(message) = frames.next()? {
            return Ok(Some(message));
        }
        if !frames.fill(from)? {
            return Ok(None);
        }
    }
}

/// Bytes that have come and are not yet a whole message.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    buffer: Vec<u8>,
}

impl Frames {
    /// Reads once; false at the end of the stream.
    pub(crate) fn fill(&mut self, from: &mut impl Read) -> io::Result<bool> {
        let mut chunk = [0_u8; 16 << 10];
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

    /// The next whole message, if it has come.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let Some((length, rest)) = self.buffer.split_first_chunk::<8>() else { return Ok(None) };
        let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
        if length > MAXIMUM {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message is too long"));
        }
        let Some(text) = rest.get(..length) else { return Ok(None) };
        let message = serde_json::from_slice(text)?;
        self.buffer.drain(..8 + length);
        Ok(Some(message))
    }
}
