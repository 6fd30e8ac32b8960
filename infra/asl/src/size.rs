use std::io::{self, Write};

use serde_json::Value;

use crate::failure::{DATA_LIMIT_EXCEEDED, Failure};

/// Step Functions' limit on a state's input, a task's result and a state's output, in bytes of UTF-8 JSON.
const DATA_LIMIT: usize = 262_144;

/// Refuses data that Step Functions would not carry. `what` names it for the cause.
pub(crate) fn within_limit(data: Value, what: &str) -> Result<Value, Failure> {
    let mut counter = Counter { room: DATA_LIMIT };
    match serde_json::to_writer(&mut counter, &data) {
        Ok(()) => Ok(data),
        Err(_) => Err(Failure::new(DATA_LIMIT_EXCEEDED, format!("{what} is larger than {DATA_LIMIT} bytes"))),
    }
}

/// Counts without keeping, and stops at the limit.
struct Counter {
    room: usize,
}

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.room = self.room.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
