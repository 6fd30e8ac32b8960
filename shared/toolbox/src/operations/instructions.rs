//! `instructions`: AGENTS.md (or CLAUDE.md) as the base commit has it, whatever the workspace says by now.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::ToolError;
use crate::files::path::RelativePath;
use crate::files::root::Root;
use crate::git::base::Base;
use crate::git::objects::{Object, TreeLinks};
use crate::text::cut;

/// The first that a directory has is the one that counts.
const NAMES: [&str; 2] = ["AGENTS.md", "CLAUDE.md"];
/// What is taken of one file.
const MAX_BYTES: u64 = 64 << 10;
const MAX_LINES: usize = 1_000;
/// Directories in one call.
const MAX_DIRECTORIES: usize = 200;

/// Asks for the instruction files of directories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instructions {
    /// Relative to the workspace, or absolute below it; `.` for the workspace itself. At most 200.
    pub directories: Vec<String>,
}

/// The files that there are, in the order of the directories asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstructionsRead {
    pub files: Vec<Instruction>,
}

/// One instruction file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instruction {
    /// The directory it speaks for, relative to the workspace, `.` for the workspace itself.
    pub directory: String,
    /// Where it stands.
    pub path: String,
    /// At most 64 KiB and 1,000 lines.
    pub text: String,
    /// Whether the file goes on.
    pub cut: bool,
}

pub(crate) fn instructions(root: &Root, state: &Path, call: &Instructions) -> Result<InstructionsRead, ToolError> {
    if call.directories.len() > MAX_DIRECTORIES {
        return Err(ToolError::Invalid(format!("At most {MAX_DIRECTORIES} directories can be asked for at once.")));
    }
    let (base, git) = Base::open(state, root.path())?;
    let mut asked: Vec<(RelativePath, RelativePath)> = Vec::new();
    for given in &call.directories {
        let directory = RelativePath::parse(given, root.path())?;
        // Names go to git a line each.
        if given.contains('\n') || asked.iter().any(|(known, _)| *known == directory) {
            continue;
        }
        for name in NAMES {
            let path = RelativePath::from_components(directory.components().chain([name]));
            asked.push((directory.clone(), path));
        }
    }
    let names: Vec<String> = asked.iter().map(|(_, path)| format!("{}:{}", base.tree, path.as_str())).collect();
    let mut files: Vec<Instruction> = Vec::new();
    git.read_objects(&names, TreeLinks::Follow, MAX_BYTES, |index, object| {
        let Some((directory, path)) = asked.get(index) else { return };
        let directory = directory.to_string();
        let (content, cut) = match object {
            Object::Missing | Object::NotBlob => return,
            Object::Blob(content) => (content, false),
            Object::Cut { head, .. } => (head, true),
        };
        if files.last().is_some_and(|before| before.directory == directory) {
            return;
        }
        let (text, many_lines) = first_lines(&cut::decode(&content).0);
        files.push(Instruction { directory, path: path.as_str().to_owned(), text, cut: cut || many_lines });
    })?;
    Ok(InstructionsRead { files })
}

fn first_lines(text: &str) -> (String, bool) {
    let mut lines = text.split_inclusive('\n');
    let kept = lines.by_ref().take(MAX_LINES).collect();
    (kept, lines.next().is_some())
}
