//! Writes a commit with one `git fast-import`, which takes all of it as data: no working tree and no path on a command line.

use domain::ports::{ForgeError, Publication};
use domain::{CommitId, Dependency, FileChange, Unavailable, WorkspacePath};

use super::git::Git;

/// Writes the commit of a publication. The same publication gives the same commit.
pub(super) async fn commit(git: &Git, publication: &Publication) -> Result<CommitId, ForgeError> {
    let stream = stream(publication);
    // fast-import has to write some reference. The branch itself is moved afterwards, by compare-and-set.
    let arguments = ["fast-import", "--quiet", "--force", "--date-format=raw", "--done"];
    let output = git.run(&arguments, &stream).await?;
    let output = String::from_utf8_lossy(&output);
    let commit = output.trim().parse().map_err(|error| Unavailable::new(Dependency::Forge, error))?;
    Ok(commit)
}

fn stream(publication: &Publication) -> Vec<u8> {
    let mut stream = Vec::new();
    let who = format!("{} <{}>", identity(&publication.author.name), identity(&publication.author.email));
    let date = format!("{} +0000", publication.date.as_second());
    line(&mut stream, &format!("commit refs/backspace/import/{}", publication.branch));
    line(&mut stream, "mark :1");
    line(&mut stream, &format!("author {who} {date}"));
    line(&mut stream, &format!("committer {who} {date}"));
    data(&mut stream, publication.message.as_bytes());
    match &publication.parent {
        Some(parent) => line(&mut stream, &format!("from {parent}")),
        None => line(&mut stream, "deleteall"),
    }
    // Deletions come first: a directory may become a file, and the reverse.
    for (path, change) in publication.changes.iter() {
        if *change == FileChange::Delete {
            line(&mut stream, &format!("D {}", quoted(path)));
        }
    }
    for (path, change) in publication.changes.iter() {
        if let FileChange::Write { mode, content } = change {
            line(&mut stream, &format!("M {} inline {}", mode.as_str(), quoted(path)));
            data(&mut stream, content);
        }
    }
    for command in ["", "get-mark :1", "done"] {
        line(&mut stream, command);
    }
    stream
}

fn line(stream: &mut Vec<u8>, text: &str) {
    stream.extend_from_slice(text.as_bytes());
    stream.push(b'\n');
}

fn data(stream: &mut Vec<u8>, content: &[u8]) {
    line(stream, &format!("data {}", content.len()));
    stream.extend_from_slice(content);
    stream.push(b'\n');
}

/// Quotes a path for fast-import.
fn quoted(path: &WorkspacePath) -> String {
    let mut text = String::from("\"");
    for c in path.as_str().chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

/// Removes the characters that would end a name or an email in a commit.
fn identity(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !"<>".contains(*c)).collect()
}
