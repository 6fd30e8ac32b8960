use std::io::{self, Write};
use std::net::Shutdown;
use std::path::Path;
use std::thread;

/// Copies standard input to the supervisor of a directory and its answers to standard output, until the supervisor closes: what
/// a provider starts in a sandbox that it can reach only through a process of its own.
///
/// # Errors
///
/// When there is no supervisor, or the connection breaks.
pub fn relay(directory: &Path) -> io::Result<()> {
    let mut from = crate::connect(directory)?;
    let mut to = from.try_clone()?;
    thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut to);
        // The supervisor closes in its turn, after which the process ends.
        let _ = to.shutdown(Shutdown::Write);
    });
    let mut chunk = [0; 64 << 10];
    let mut output = io::stdout().lock();
    loop {
        // Not `copy`, whose buffer would hold an answer back.
        match io::Read::read(&mut from, &mut chunk)? {
            0 => return Ok(()),
            read => {
                output.write_all(&chunk[..read])?;
                output.flush()?;
            }
        }
    }
}
