//! What the worker does: it carries out the toolbox's operations, one after another, behind the wall that commands are behind.

use std::io::{self, Read, Write};

use sandbox_protocol::{Frames, encode};
use toolbox::Toolbox;

/// Reads requests from standard input and writes each response to standard output, until the supervisor hangs up. Both are
/// bodies of frames with an empty header.
pub(crate) fn work() -> i32 {
    match work_on(&mut io::stdin().lock(), &mut io::stdout().lock()) {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

fn work_on(input: &mut impl Read, output: &mut impl Write) -> io::Result<()> {
    let mut toolbox = Toolbox::default();
    let mut frames = Frames::default();
    let mut chunk = vec![0; 64 << 10];
    loop {
        while let Some(((), request)) = frames.take()? {
            let response = toolbox.answer_json(&request);
            output.write_all(&encode(&(), &response)?)?;
            output.flush()?;
        }
        match input.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(read) => frames.push(&chunk[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
