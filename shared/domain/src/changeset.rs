//! The change of a session as data: the only form in which it leaves a sandbox.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::text::shorten;
use crate::{Digest256, ErrorCode, Terminal};

/// A path inside the workspace: relative, 1 to 4,096 bytes, with `/` between its parts, none of which is empty, `.`, `..`,
/// or a name that some file system takes for `.git`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkspacePath(String);

/// A path that must not be part of a change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path:?} must not be part of a change: {rule}")]
pub struct ForbiddenPath {
    path: String,
    rule: &'static str,
}

impl WorkspacePath {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The directories above the path, nearest last, without the workspace itself.
    pub fn directories(&self) -> Vec<&str> {
        self.0.match_indices('/').map(|(at, _)| &self.0[..at]).collect()
    }
}

impl TryFrom<String> for WorkspacePath {
    type Error = ForbiddenPath;

    fn try_from(path: String) -> Result<Self, ForbiddenPath> {
        let forbidden = |rule| Err(ForbiddenPath { path: shorten(&path, 200).into_owned(), rule });
        if path.is_empty() || path.len() > 4096 {
            return forbidden("a path has 1 to 4,096 bytes");
        }
        if path.contains('\0') {
            return forbidden("it contains a NUL character");
        }
        for part in path.split('/') {
            if part.is_empty() || part == "." || part == ".." {
                return forbidden("it has to be relative, without empty, '.' or '..' parts");
            }
            if part.len() > 255 {
                return forbidden("a part of it is longer than 255 bytes");
            }
            if is_git_directory(part) {
                return forbidden("it leads into a .git directory");
            }
        }
        Ok(Self(path))
    }
}

/// Whether some file system takes `part` for `.git`: in other case, with trailing dots or spaces or a stream name (Windows),
/// by its 8.3 name (Windows), with characters that macOS ignores. A hook in such a directory would run on a reviewer's
/// machine. Git checks the same names (`core.protectNTFS`, `core.protectHFS`).
fn is_git_directory(part: &str) -> bool {
    let ignorable =
        |c: char| matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}');
    let folded: String = part.chars().filter(|c| !ignorable(*c)).collect::<String>().to_lowercase();
    let folded = folded.split(':').next().unwrap_or_default().trim_end_matches(['.', ' ']);
    folded == ".git" || folded == "git~1"
}

impl From<WorkspacePath> for String {
    fn from(path: WorkspacePath) -> String {
        path.0
    }
}

impl fmt::Display for WorkspacePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The kind of a file, as git distinguishes them. A submodule is none of them and cannot be part of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FileMode {
    #[serde(rename = "100644")]
    Regular,
    #[serde(rename = "100755")]
    Executable,
    /// A symbolic link; its content is the link's target.
    #[serde(rename = "120000")]
    Symlink,
}

impl FileMode {
    /// The mode in git's notation, such as `100644`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Regular => "100644",
            Self::Executable => "100755",
            Self::Symlink => "120000",
        }
    }
}

/// What the change does to one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileChange {
    /// Creates or replaces the file.
    Write {
        mode: FileMode,
        /// As git stores it.
        content: Vec<u8>,
    },
    Delete,
}

/// Files that differ from the base commit, checked for publication: sorted by path, each path once, no written file below
/// another written file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changeset(Vec<(WorkspacePath, FileChange)>);

/// Maximum size of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangesetLimits {
    pub files: usize,
    pub bytes_per_file: usize,
    pub bytes: usize,
}

impl Default for ChangesetLimits {
    fn default() -> Self {
        Self { files: 3000, bytes_per_file: 20 * 1024 * 1024, bytes: 60 * 1024 * 1024 }
    }
}

impl Changeset {
    /// Checks a change that a sandbox reports. Nothing of it is trusted: code of the repository may have written all of it.
    ///
    /// # Errors
    /// [`ErrorCode::ChangesetRejected`], naming the file and the rule: a forbidden path, a path given twice or below a written
    /// file, a link out of the repository or into `.git`, a limit exceeded.
    pub fn check(
        changes: impl IntoIterator<Item = (String, FileChange)>,
        limits: ChangesetLimits,
    ) -> Result<Self, Terminal> {
        let rejected = |message: String| Terminal::new(ErrorCode::ChangesetRejected, message);
        let mut checked: Vec<(WorkspacePath, FileChange)> = Vec::new();
        let mut bytes = 0;
        for (path, change) in changes {
            let path = check_one(path, &change, limits).map_err(rejected)?;
            if let FileChange::Write { content, .. } = &change {
                bytes += content.len();
            }
            checked.push((path, change));
        }
        if checked.len() > limits.files {
            return Err(rejected(format!(
                "{} files changed; at most {} can be published",
                checked.len(),
                limits.files
            )));
        }
        if bytes > limits.bytes {
            return Err(rejected(format!("the change has {bytes} bytes; at most {} can be published", limits.bytes)));
        }
        checked.sort_by(|(left, _), (right, _)| left.cmp(right));
        let written: std::collections::HashSet<&str> = checked
            .iter()
            .filter(|(_, change)| matches!(change, FileChange::Write { .. }))
            .map(|(path, _)| path.as_str())
            .collect();
        for pair in checked.windows(2) {
            if pair[0].0 == pair[1].0 {
                return Err(rejected(format!("{} is listed twice", pair[0].0)));
            }
        }
        // A file below a written link would be written where the link points.
        for (path, change) in &checked {
            let below = path.directories().into_iter().find(|directory| written.contains(directory));
            if let (Some(directory), FileChange::Write { .. }) = (below, change) {
                return Err(rejected(format!("{path} is below {directory}, which is a file or a link")));
            }
        }
        Ok(Self(checked))
    }

    /// The rule that one file breaks, in a sentence; none when it can be published.
    pub fn objection(path: &str, change: &FileChange, limits: ChangesetLimits) -> Option<String> {
        check_one(path.to_owned(), change, limits).err()
    }

    /// The changes, sorted by path.
    pub fn iter(&self) -> impl Iterator<Item = (&WorkspacePath, &FileChange)> {
        self.0.iter().map(|(path, change)| (path, change))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of changed files.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Digest of all paths, modes and contents.
    pub fn digest(&self) -> Digest256 {
        let mut text = String::new();
        for (path, change) in &self.0 {
            let line = match change {
                FileChange::Write { mode, content } => format!("{} {}", mode.as_str(), Digest256::of(content).as_str()),
                FileChange::Delete => "delete".to_owned(),
            };
            text.push_str(&format!("{line}\t{path}\0"));
        }
        Digest256::of(text.as_bytes())
    }
}

/// The rules that concern one file alone.
fn check_one(path: String, change: &FileChange, limits: ChangesetLimits) -> Result<WorkspacePath, String> {
    let path = WorkspacePath::try_from(path).map_err(|error| error.to_string())?;
    if let FileChange::Write { mode, content } = change {
        if content.len() > limits.bytes_per_file {
            let max = limits.bytes_per_file;
            return Err(format!("{path} has {} bytes; at most {max} can be published", content.len()));
        }
        if *mode == FileMode::Symlink {
            check_link(&path, content)?;
        }
    }
    Ok(path)
}

/// A link may point anywhere inside the repository, and nowhere else.
///
/// `..` is allowed only at the beginning: from the link's own directory, which is no link, it leads up for certain. After a name it
/// would lead up from wherever that name leads, and a name may be a link of the repository or of the change itself.
fn check_link(path: &WorkspacePath, target: &[u8]) -> Result<(), String> {
    let target = std::str::from_utf8(target).map_err(|_| format!("the target of the link {path} is not UTF-8"))?;
    if target.is_empty() || target.contains('\0') || target.len() > 4096 {
        return Err(format!("the target of the link {path} is not a path"));
    }
    if target.starts_with('/') {
        return Err(format!("the link {path} points to the absolute path {target:?}"));
    }
    let mut depth = path.directories().len();
    let mut is_named = false;
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if is_named => {
                return Err(format!("the link {path} goes up after a name, which may itself be a link: {target:?}"));
            }
            ".." if depth == 0 => return Err(format!("the link {path} points out of the repository: {target:?}")),
            ".." => depth -= 1,
            part if is_git_directory(part) => return Err(format!("the link {path} points into .git: {target:?}")),
            _ => is_named = true,
        }
    }
    Ok(())
}
