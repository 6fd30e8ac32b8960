//! Reads many objects through one `git cat-file`.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::thread;

use super::Git;
use crate::error::ToolError;

/// Maximum length of an answer's first line, in bytes. It repeats the name, which holds a path.
const MAX_HEADER_BYTES: u64 = 64 << 10;

/// A requested object.
pub(crate) enum Object {
    /// No object has this name, or it is a symbolic link that leads out of the tree, to nothing or in a circle.
    Missing,
    /// A directory, or a commit.
    NotBlob,
    /// A blob within the limit.
    Blob(Vec<u8>),
    /// The beginning of a larger blob.
    Cut(Vec<u8>),
}

/// Whether symbolic links in a tree are followed within that tree.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum TreeLinks {
    Follow,
    Keep,
}

impl Git {
    /// Reads the named objects in order and passes each to `take` with its index, at most `limit` bytes of each. Names must
    /// not contain a newline, which separates them on the pipe.
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
            let request = names.join("\n") + "\n";
            let result = thread::scope(|scope| {
                scope.spawn(move || {
                    // If git exits early, reading its answers below fails.
                    let _ = stdin.map(|mut stdin| stdin.write_all(request.as_bytes()));
                });
                let Some(stdout) = stdout else { return Ok(()) };
                let mut stdout = BufReader::new(stdout);
                for index in 0..names.len() {
                    take(index, read_one(&mut stdout, limit)?);
                }
                Ok(())
            });
            let status = child.wait()?;
            result.map(|()| status.success())
        };
        let failed = |message| ToolError::Git { command: "cat-file".to_owned(), message };
        match read() {
            Ok(true) => Ok(()),
            Ok(false) => Err(failed("it ended with an error".to_owned())),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

/// Reads one answer: `<id> <type> <size>`, the content and a newline; or a line such as `<name> missing`.
fn read_one(stream: &mut impl BufRead, limit: u64) -> io::Result<Object> {
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "its answer cannot be understood");
    let mut header = Vec::new();
    stream.by_ref().take(MAX_HEADER_BYTES).read_until(b'\n', &mut header)?;
    let header = String::from_utf8(header).map_err(|_| damaged())?;
    let header = header.strip_suffix('\n').ok_or_else(damaged)?;
    if header.ends_with(" missing") || header.ends_with(" ambiguous") {
        return Ok(Object::Missing);
    }
    let mut words = header.split(' ');
    let (first, kind) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let size: u64 = words.next().unwrap_or(kind).parse().map_err(|_| damaged())?;
    // For a link that could not be followed, git writes `dangling <size>` or the like, and the target as the content.
    let unresolved = matches!(first, "dangling" | "loop" | "notdir" | "symlink");
    let mut head = Vec::new();
    let length = size.min(limit);
    if stream.by_ref().take(length).read_to_end(&mut head)? as u64 != length {
        return Err(damaged());
    }
    // Skips the rest and the newline after it.
    let rest = size - length + 1;
    if io::copy(&mut stream.by_ref().take(rest), &mut io::sink())? != rest {
        return Err(damaged());
    }
    Ok(match kind {
        _ if unresolved => Object::Missing,
        "blob" if size > limit => Object::Cut(head),
        "blob" => Object::Blob(head),
        _ => Object::NotBlob,
    })
}
