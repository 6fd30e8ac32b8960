//! `instructions`: reads AGENTS.md (or CLAUDE.md) from the base commit. The workspace's version may have been changed since.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::ToolError;
use crate::files::path::RelativePath;
use crate::files::root::Root;
use crate::git::base::Base;
use crate::git::objects::{Object, TreeLinks};
use crate::text::cut;

/// The names of instruction files. The first that a directory contains is used.
const NAMES: [&str; 2] = ["AGENTS.md", "CLAUDE.md"];
/// Maximum bytes that are read of one file.
const MAX_BYTES: u64 = 64 << 10;
/// Maximum lines that are read of one file.
const MAX_LINES: usize = 1_000;
/// Maximum directories in one call.
const MAX_DIRECTORIES: usize = 200;

/// Requests the instruction files of directories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instructions {
    /// Relative to the workspace, or absolute below it; `.` for the workspace itself. At most 200.
    pub directories: Vec<String>,
}

/// The files found, in the order of the requested directories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstructionsRead {
    pub files: Vec<Instruction>,
}

/// One instruction file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instruction {
    /// The directory that it applies to, relative to the workspace; `.` for the workspace itself.
    pub directory: String,
    /// Relative to the workspace.
    pub path: String,
    /// The first 64 KiB, at most 1,000 lines.
    pub text: String,
    /// Whether `text` is only the beginning of the file.
    pub cut: bool,
}

pub(crate) fn instructions(root: &Root, state: &Path, call: &Instructions) -> Result<InstructionsRead, ToolError> {
    if call.directories.len() > MAX_DIRECTORIES {
        return Err(ToolError::Invalid(format!("At most {MAX_DIRECTORIES} directories can be requested at once.")));
    }
    let (base, git) = Base::open(state, root.path())?;
    let mut requested: Vec<(RelativePath, RelativePath)> = Vec::new();
    for given in &call.directories {
        let directory = RelativePath::parse(given, root.path())?;
        // A newline would end the name in git's input.
        if given.contains('\n') || requested.iter().any(|(known, _)| *known == directory) {
            continue;
        }
        for name in NAMES {
            let path = RelativePath::from_components(directory.components().chain([name]));
            requested.push((directory.clone(), path));
        }
    }
    let names: Vec<String> = requested.iter().map(|(_, path)| format!("{}:{}", base.tree, path.as_str())).collect();
    let mut files: Vec<Instruction> = Vec::new();
    git.read_objects(&names, TreeLinks::Follow, MAX_BYTES, |index, object| {
        let Some((directory, path)) = requested.get(index) else { return };
        let directory = directory.to_string();
        let (content, is_cut) = match object {
            Object::Missing | Object::NotBlob => return,
            Object::Blob(content) => (content, false),
            Object::Cut(mut head) => {
                head.truncate(cut::complete(&head).len());
                (head, true)
            }
        };
        if files.last().is_some_and(|before| before.directory == directory) {
            return;
        }
        let text = cut::decode(&content).0;
        let (text, has_more) = cut::lines(&text, MAX_LINES);
        let (path, text) = (path.as_str().to_owned(), text.to_owned());
        files.push(Instruction { directory, path, text, cut: is_cut || has_more });
    })?;
    Ok(InstructionsRead { files })
}
