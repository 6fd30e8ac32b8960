use std::io::{self, Write};

use serde_json::Value;

use crate::failure::{DATA_LIMIT_EXCEEDED, Failure};

/// Step Functions' limit on a state's input, a task's result and a state's output, in bytes of UTF-8 JSON.
const MAX_DATA: usize = 262_144;

/// Passes `data` through if Step Functions would carry it. `what` names the data in the failure's cause.
///
/// # Errors
/// `States.DataLimitExceeded` for data above 262,144 bytes.
pub(crate) fn within_limit(data: Value, what: &str) -> Result<Value, Failure> {
    let mut counter = Counter { remaining: MAX_DATA };
    match serde_json::to_writer(&mut counter, &data) {
        Ok(()) => Ok(data),
        Err(_) => Err(Failure::new(DATA_LIMIT_EXCEEDED, format!("{what} is larger than {MAX_DATA} bytes"))),
    }
}

/// Counts the bytes written to it, stores none and fails at the limit, so that large data is not serialized whole.
struct Counter {
    remaining: usize,
}

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.remaining = self.remaining.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
