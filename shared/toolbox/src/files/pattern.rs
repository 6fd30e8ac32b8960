//! Glob patterns over paths, as `glob` and `grep` take them.

use globset::{GlobBuilder, GlobMatcher};

use super::path::{RelativePath, below};
use super::root::Root;
use crate::error::ToolError;

/// Maximum length of a pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 1_000;

pub(crate) struct Pattern {
    matcher: GlobMatcher,
    /// A pattern without `/` is matched against the file name alone.
    names_only: bool,
}

impl Pattern {
    pub(crate) fn parse(pattern: &str, root: &Root) -> Result<Self, ToolError> {
        let relative = if pattern.starts_with('/') {
            below(pattern, root.path()).unwrap_or(pattern).trim_start_matches('/')
        } else {
            pattern.trim_start_matches("./")
        };
        if relative.is_empty() || relative.len() > MAX_PATTERN_BYTES {
            return Err(ToolError::Invalid(format!(
                "The pattern must have 1 to {MAX_PATTERN_BYTES} bytes, such as \"**/*.rs\"."
            )));
        }
        let glob = GlobBuilder::new(relative).literal_separator(true).build().map_err(|error| {
            ToolError::Invalid(format!("The pattern {pattern:?} is not a valid glob: {}.", error.kind()))
        })?;
        Ok(Self { matcher: glob.compile_matcher(), names_only: !pattern.contains('/') })
    }

    /// Whether `path` matches, relative to `directory`, which contains it.
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
