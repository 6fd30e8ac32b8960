//! Writes a commit: one `git fast-import`, fed with data only.

use domain::ports::{ForgeError, Publication};
use domain::{CommitId, Dependency, FileChange, Unavailable, WorkspacePath};

use super::git::Git;

/// Makes the commit of a publication. The same publication makes the same commit.
pub(super) async fn commit(git: &Git, publication: &Publication) -> Result<CommitId, ForgeError> {
    let stream = stream(publication);
    // The reference is only a handle for the import; the branch is moved by a compare-and-set of its own.
    let arguments = ["fast-import", "--quiet", "--force", "--date-format=raw", "--done"];
    let said = git.run(&arguments, &stream).await?;
    let said = String::from_utf8_lossy(&said);
    let commit = said.trim().parse().map_err(|error| Unavailable::new(Dependency::Forge, error))?;
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
    // What goes away first makes room: a directory may become a file, and the other way round.
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

/// A path as fast-import reads it.
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

/// A name or address without what would end its field.
fn identity(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !"<>".contains(*c)).collect()
}
