//! The base commit, as `baseline` recorded it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Git;
use crate::error::ToolError;

/// The record of the base. It is stored inside the pristine git directory, so that neither can exist without the other.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Base {
    /// None in an empty repository.
    pub(crate) commit: Option<String>,
    /// None when HEAD is detached.
    pub(crate) branch: Option<String>,
    pub(crate) files: usize,
    /// The tree that the workspace is compared with: the commit's, or the empty tree.
    pub(crate) tree: String,
}

impl Base {
    pub(crate) fn directory(state: &Path) -> PathBuf {
        state.join("base.git")
    }

    /// The base, and git on the pristine git directory.
    ///
    /// # Errors
    /// [`ToolError::NoBase`] when `baseline` was not called or its record is damaged.
    pub(crate) fn open(state: &Path, workspace: &Path) -> Result<(Self, Git), ToolError> {
        let directory = Self::directory(state);
        let bytes = fs::read(directory.join("base.json")).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ToolError::NoBase("baseline has not been called in this sandbox".to_owned()),
            _ => ToolError::NoBase(error.to_string()),
        })?;
        let base: Self = serde_json::from_slice(&bytes).map_err(|error| ToolError::NoBase(error.to_string()))?;
        // These ids become git arguments, and a process in the sandbox could have rewritten the record.
        if is_object_id(&base.tree) && base.commit.as_deref().is_none_or(is_object_id) {
            Ok((base, Git::new(directory, workspace)))
        } else {
            Err(ToolError::NoBase("its record is damaged".to_owned()))
        }
    }

    pub(crate) fn save(&self, directory: &Path) -> io::Result<()> {
        fs::write(directory.join("base.json"), serde_json::to_vec(self)?)
    }
}

/// Whether a text is a full object id: SHA-1 or SHA-256 in hexadecimal.
pub(crate) fn is_object_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
