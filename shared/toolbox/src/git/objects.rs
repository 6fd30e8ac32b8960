//! Reading many objects through one `git cat-file`.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::thread;

use super::Git;
use crate::error::ToolError;

/// One object that was asked for.
pub(crate) enum Object {
    /// There is none of that name, or its name leads out of the tree or in a circle.
    Missing,
    /// A directory, or a commit.
    NotBlob,
    /// A blob of at most the asked size.
    Blob(Vec<u8>),
    /// A larger blob, of which this is the beginning.
    Cut { bytes: u64, head: Vec<u8> },
}

/// Whether symbolic links inside the tree are followed to what they name in the same tree.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum TreeLinks {
    Follow,
    Keep,
}

impl Git {
    /// Reads the objects by name, in order, and hands each to `take`, at most `limit` bytes of each. Names must not
    /// contain a newline.
    pub(crate) fn read_objects(
        &self,
        names: &[String],
        links: TreeLinks,
        limit: u64,
        mut take: impl FnMut(usize, Object),
    ) -> Result<(), ToolError> {
        if names.is_empty() {
            return Ok(());
        }
        let mut arguments = vec!["cat-file", "--batch"];
        if links == TreeLinks::Follow {
            arguments.push("--follow-symlinks");
        }
        let mut read = || -> io::Result<bool> {
            let mut child =
                self.command(&arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
            let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
            let asked = names.join("\n") + "\n";
            let answered = thread::scope(|scope| {
                scope.spawn(move || {
                    // If git ended early, the missing answer below tells.
                    let _ = stdin.map(|mut stdin| stdin.write_all(asked.as_bytes()));
                });
                let Some(stdout) = stdout else { return Ok(()) };
                let mut stdout = BufReader::new(stdout);
                for index in 0..names.len() {
                    take(index, read_one(&mut stdout, limit)?);
                }
                Ok(())
            });
            let status = child.wait()?;
            answered.map(|()| status.success())
        };
        let failed = |message| ToolError::Git { command: "cat-file".to_owned(), message };
        match read() {
            Ok(true) => Ok(()),
            Ok(false) => Err(failed("it ended with an error".to_owned())),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

/// Reads `<id> <type> <size>`, the content and a newline, or `<name> missing` and its like.
fn read_one(stream: &mut impl BufRead, limit: u64) -> io::Result<Object> {
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "its answer cannot be understood");
    let mut header = Vec::new();
    stream.by_ref().take(64 << 10).read_until(b'\n', &mut header)?;
    let header = String::from_utf8(header).map_err(|_| damaged())?;
    let header = header.strip_suffix('\n').ok_or_else(damaged)?;
    if header.ends_with(" missing") || header.ends_with(" ambiguous") {
        return Ok(Object::Missing);
    }
    let mut words = header.split(' ');
    let (first, kind) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let size: u64 = words.next().unwrap_or(kind).parse().map_err(|_| damaged())?;
    // What a link could not be followed to is told as `symlink <size>`, with the target in the object's place.
    let unresolved = matches!(first, "dangling" | "loop" | "notdir" | "symlink");
    let mut head = Vec::new();
    let kept = size.min(limit);
    if stream.by_ref().take(kept).read_to_end(&mut head)? as u64 != kept {
        return Err(damaged());
    }
    // The rest, and the newline after it.
    let rest = size - kept + 1;
    if io::copy(&mut stream.by_ref().take(rest), &mut io::sink())? != rest {
        return Err(damaged());
    }
    Ok(match kind {
        _ if unresolved => Object::Missing,
        "blob" if size > limit => Object::Cut { bytes: size, head },
        "blob" => Object::Blob(head),
        _ => Object::NotBlob,
    })
}
