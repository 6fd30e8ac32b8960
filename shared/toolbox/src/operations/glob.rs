//! `glob`: finds files by name, the last modified first.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use crate::error::ToolError;
use crate::files::path::RelativePath;
use crate::files::pattern::Pattern;
use crate::files::root::{Found, Root};
use crate::files::walk::{EntryKind, Hidden, Walk};

/// Maximum paths in one answer.
const MAX_PATHS: usize = 100;

/// Finds the files whose path matches a pattern, except ignored files and `.git`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Glob {
    /// A glob such as `src/**/*.rs`, relative to `path`. A pattern without `/` matches file names at any depth.
    pub pattern: String,
    /// The directory to search; the workspace by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// The matching files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Globbed {
    /// For the model, one path per line.
    pub text: String,
    /// Relative to the workspace, the last modified first, at most 100.
    pub paths: Vec<String>,
    /// The number of matching files, including those left out.
    pub total: usize,
    /// Whether paths were left out.
    pub cut: bool,
}

pub(crate) fn glob(root: &Root, call: &Glob) -> Result<Globbed, ToolError> {
    let pattern = Pattern::parse(&call.pattern, root)?;
    let directory = directory(root, call.path.as_deref())?;
    let walk = Walk { levels: None, hidden: Hidden::Show };
    let mut found: Vec<_> = walk
        .entries(root, &directory)
        .filter(|entry| entry.kind != EntryKind::Directory && pattern.matches(&entry.path, &directory))
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

/// The directory to search.
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
