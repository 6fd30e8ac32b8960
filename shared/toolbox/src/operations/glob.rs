//! `glob`: files by name, newest first.

use std::cmp::Reverse;

use globset::{GlobBuilder, GlobMatcher};
use serde::{Deserialize, Serialize};

use crate::error::ToolError;
use crate::files::path::{RelativePath, below};
use crate::files::root::{Found, Root};
use crate::files::walk::{EntryKind, Hidden, Walk};

/// Paths in one answer.
const MAX_PATHS: usize = 100;
/// A longer pattern is refused.
const MAX_PATTERN_BYTES: usize = 1_000;

/// Finds files whose path matches a pattern; ignored files and `.git` are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Glob {
    /// Such as `src/**/*.rs`, relative to `path`. A pattern without `/` matches names at any depth.
    pub pattern: String,
    /// The directory to look in; the workspace when none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// The files that matched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Globbed {
    /// For the model: one path a line.
    pub text: String,
    /// At most 100 paths relative to the workspace, the last modified first.
    pub paths: Vec<String>,
    /// How many there are, those left out included.
    pub total: usize,
    /// Whether some were left out.
    pub cut: bool,
}

pub(crate) fn glob(root: &Root, call: &Glob) -> Result<Globbed, ToolError> {
    let matcher = Pattern::new(&call.pattern, root)?;
    let directory = directory(root, call.path.as_deref())?;
    let walk = Walk { levels: None, hidden: Hidden::Show };
    let mut found: Vec<_> = walk
        .entries(root, &directory)
        .filter(|entry| entry.kind != EntryKind::Directory && matcher.matches(&entry.path, &directory))
        .map(|entry| (Reverse(entry.modified), entry.path))
        .collect();
    found.sort();
    let total = found.len();
    let paths: Vec<String> = found.into_iter().take(MAX_PATHS).map(|(_, path)| path.as_str().to_owned()).collect();
    let cut = paths.len() < total;
    let mut text = paths.join("\n");
    if total == 0 {
        text = format!("No file in {directory} matches {:?}. Ignored files are not searched.", call.pattern);
    } else if cut {
        text.push_str(&format!(
            "\n[{} of {total}, the last modified first. Narrow the pattern or give a path.]",
            paths.len()
        ));
    }
    Ok(Globbed { text, paths, total, cut })
}

/// The directory to search, which must be one.
fn directory(root: &Root, path: Option<&str>) -> Result<RelativePath, ToolError> {
    let Some(path) = path else { return Ok(RelativePath::ROOT) };
    let located = root.locate(path)?;
    match located.found {
        Found::Directory => Ok(located.path),
        Found::Nothing => {
            Err(ToolError::Missing { path: path.to_owned(), advice: "Leave path out to search the whole workspace." })
        }
        Found::File(_) | Found::Link | Found::Other => {
            let what = "not a directory".to_owned();
            Err(ToolError::WrongType { path: path.to_owned(), what, advice: "Give a directory, or leave path out." })
        }
    }
}

/// A pattern over paths, as `glob` and `grep` take it.
pub(crate) struct Pattern {
    matcher: GlobMatcher,
    /// Without `/`, it is held against the name alone.
    names_only: bool,
}

impl Pattern {
    pub(crate) fn new(pattern: &str, root: &Root) -> Result<Self, ToolError> {
        let relative = if pattern.starts_with('/') {
            below(pattern, root.path()).unwrap_or(pattern).trim_start_matches('/')
        } else {
            pattern.trim_start_matches("./")
        };
        if relative.is_empty() || relative.len() > MAX_PATTERN_BYTES {
            return Err(ToolError::Invalid(format!(
                "The pattern must have 1 to {MAX_PATTERN_BYTES} characters, such as \"**/*.rs\"."
            )));
        }
        let glob = GlobBuilder::new(relative).literal_separator(true).build().map_err(|error| {
            ToolError::Invalid(format!("The pattern {pattern:?} is not a valid glob: {}.", error.kind()))
        })?;
        Ok(Self { matcher: glob.compile_matcher(), names_only: !pattern.contains('/') })
    }

    /// Whether a path matches, taken relative to a directory that it is in.
    pub(crate) fn matches(&self, path: &RelativePath, directory: &RelativePath) -> bool {
        let whole = path.as_str();
        let relative = if self.names_only {
            whole.rsplit('/').next().unwrap_or(whole)
        } else {
            whole.strip_prefix(directory.as_str()).unwrap_or(whole).trim_start_matches('/')
        };
        self.matcher.is_match(relative)
    }
}
