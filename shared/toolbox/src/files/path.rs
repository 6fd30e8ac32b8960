//! Paths inside a root, checked as text only; `root` handles symbolic links.

use std::fmt;
use std::path::Path;

use crate::error::ToolError;

/// Linux's limit on one component of a path (`NAME_MAX`), in bytes.
const MAX_COMPONENT_BYTES: usize = 255;

/// A normal path relative to a root: no empty, `.`, `..` or `.git` component; empty for the root itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RelativePath(String);

impl RelativePath {
    pub(crate) const ROOT: Self = Self(String::new());

    /// Parses a path from a model: relative to `root`, or absolute below it.
    pub(crate) fn parse(given: &str, root: &Path) -> Result<Self, ToolError> {
        let relative = if given.starts_with('/') {
            below(given, root)
                .ok_or_else(|| ToolError::Outside { path: given.to_owned(), workspace: root.display().to_string() })?
        } else if given.is_empty() {
            return Err(bad(given, "it is empty; use \".\" for the workspace itself"));
        } else {
            given
        };
        let mut components = Vec::new();
        for component in relative.split('/') {
            match component {
                "" | "." => {}
                // After a symbolic link, `..` leads to another directory than the text suggests.
                ".." => return Err(bad(given, "it contains \"..\"; write the path without it")),
                component => components.push(checked(component, given)?),
            }
        }
        Ok(Self(components.join("/")))
    }

    /// Parses a path from a changeset or from git, which must already be normal.
    pub(crate) fn exact(given: &str) -> Result<Self, ToolError> {
        for component in given.split('/') {
            if matches!(component, "" | "." | "..") {
                return Err(bad(given, "it is not a normal path relative to the workspace"));
            }
            checked(component, given)?;
        }
        Ok(Self(given.to_owned()))
    }

    /// Joins components without checking them: they come from the file system or from checked paths.
    pub(crate) fn from_components<'a>(components: impl IntoIterator<Item = &'a str>) -> Self {
        Self(components.into_iter().collect::<Vec<_>>().join("/"))
    }

    pub(crate) fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|component| !component.is_empty())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `self` is `other` or lies below it.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        other.is_root() || self.0.strip_prefix(&other.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for RelativePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.is_root() { "." } else { &self.0 })
    }
}

/// The part of the path `absolute` below `root`, compared as text; none if it is not below `root`.
pub(crate) fn below<'a>(absolute: &'a str, root: &Path) -> Option<&'a str> {
    let root = root.to_str()?.trim_end_matches('/');
    let rest = absolute.strip_prefix(root)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// Whether git, or a file system on which the change may be checked out later, takes a name for `.git`: after case folding
/// (macOS, Windows), ignored code points (macOS), trailing dots and spaces, streams or short names (Windows).
pub(crate) fn is_git_name(name: &str) -> bool {
    let visible: String = name.chars().filter(|character| !is_ignored_by_hfs(*character)).collect();
    let before_stream = visible.split(':').next().unwrap_or_default();
    let trimmed = before_stream.trim_end_matches(['.', ' ']);
    trimmed.eq_ignore_ascii_case(".git") || trimmed.eq_ignore_ascii_case("git~1")
}

fn is_ignored_by_hfs(character: char) -> bool {
    matches!(character, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

fn checked<'a>(component: &'a str, given: &str) -> Result<&'a str, ToolError> {
    if component.contains('\0') {
        Err(bad(given, "it contains a NUL character"))
    } else if component.len() > MAX_COMPONENT_BYTES {
        Err(bad(given, "a component is longer than 255 bytes"))
    } else if is_git_name(component) {
        Err(ToolError::GitDirectory { path: given.to_owned() })
    } else {
        Ok(component)
    }
}

fn bad(given: &str, reason: &'static str) -> ToolError {
    ToolError::BadPath { path: given.to_owned(), reason }
}
