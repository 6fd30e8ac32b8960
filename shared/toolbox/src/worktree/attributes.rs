//! The attributes of paths, from the `.gitattributes` files of the workspace.

use std::path::{Path, PathBuf};

use bstr::BStr;
use gix_attributes::glob::pattern::Case;
use gix_attributes::search::{MetadataCollection, Outcome};
use gix_attributes::{Search, StateRef};
use sha2::{Digest, Sha256};

use super::ignores::MAX_RULES_BYTES;
use super::left_out::LeftOut;
use crate::error::ToolError;
use crate::files::path::RelativePath;
use crate::files::root::Root;

/// The attributes that decide what git stores of a file.
const NAMES: [&str; 6] = ["text", "crlf", "eol", "ident", "working-tree-encoding", "filter"];

/// A hash of all the rules that apply to a directory.
pub(crate) type Fingerprint = [u8; 32];

/// Reads the attributes of one directory after another; each file of rules is read once if the directories are sorted.
pub(crate) struct Attributes<'a> {
    root: &'a Root,
    /// `info/attributes`, which comes before all others.
    own: Search,
    in_tree: Search,
    collection: MetadataCollection,
    levels: Vec<Level>,
    outcome: Outcome,
}

struct Level {
    /// Without a `/` at its end; empty for the root.
    directory: String,
    has_patterns: bool,
    fingerprint: Fingerprint,
}

/// What the attributes say of one path.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct PathAttributes {
    pub(crate) text: State,
    pub(crate) crlf: State,
    pub(crate) eol: State,
    pub(crate) ident: State,
    pub(crate) encoding: State,
    /// A program that the repository's configuration names. None is run here.
    pub(crate) filter: State,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) enum State {
    #[default]
    Unspecified,
    Set,
    Unset,
    Value(String),
}

impl<'a> Attributes<'a> {
    pub(crate) fn new(root: &'a Root, info: &[u8]) -> Self {
        let mut collection = MetadataCollection::default();
        let (mut own, mut in_tree) = (Search::default(), Search::default());
        let builtin = b"[attr]binary -diff -merge -text";
        // From memory, with a source that needs no parent: this cannot fail.
        let _ = in_tree.add_patterns_buffer(builtin, PathBuf::from("[builtin]"), None, &mut collection, true);
        let _ = own.add_patterns_buffer(info, PathBuf::from("info/attributes"), None, &mut collection, true);
        let mut outcome = Outcome::default();
        outcome.initialize_with_selection(&collection, NAMES);
        Self { root, own, in_tree, collection, levels: Vec::new(), outcome }
    }

    /// Reads the rules for the files of a directory, unless they are read already.
    pub(crate) fn enter(&mut self, directory: &str, left_out: &mut LeftOut) -> Fingerprint {
        while let Some(level) = self.levels.last()
            && !is_within(directory, &level.directory)
        {
            if level.has_patterns {
                self.in_tree.pop_pattern_list();
            }
            self.levels.pop();
        }
        loop {
            let next = match self.levels.last() {
                None => String::new(),
                Some(level) if level.directory == directory => return level.fingerprint,
                Some(level) => {
                    let start = if level.directory.is_empty() { 0 } else { level.directory.len() + 1 };
                    let end = directory[start..].find('/').map_or(directory.len(), |slash| start + slash);
                    directory[..end].to_owned()
                }
            };
            self.push(next, left_out);
        }
    }

    fn push(&mut self, directory: String, left_out: &mut LeftOut) {
        let path = RelativePath::from_components(
            directory.split('/').filter(|part| !part.is_empty()).chain([".gitattributes"]),
        );
        let content = match self.root.locate_exact(&path).and_then(|located| located.read(MAX_RULES_BYTES, "")) {
            Ok(content) => Some(content),
            Err(ToolError::TooLarge { bytes, .. }) => {
                let name = format!("the rules of {}", path.as_str());
                left_out.add_name(name, format!("the file has {bytes} bytes, the limit is {MAX_RULES_BYTES}"));
                None
            }
            // As for git, a link, a pipe or an unreadable file has no rules.
            Err(_) => None,
        };
        let above = self.levels.last().map_or([0; 32], |level| level.fingerprint);
        let mut hasher = Sha256::new_with_prefix(above);
        if let Some(content) = &content {
            hasher.update(content);
        }
        let fingerprint = hasher.finalize().into();
        let is_root = directory.is_empty();
        let has_patterns = content.is_some_and(|content| {
            let (source, root) = (PathBuf::from(path.as_str()), Some(Path::new("")));
            self.in_tree.add_patterns_buffer(&content, source, root, &mut self.collection, is_root).is_ok()
        });
        self.levels.push(Level { directory, has_patterns, fingerprint });
    }

    /// The attributes of a path in the directory that was entered last.
    pub(crate) fn of(&mut self, path: &str) -> PathAttributes {
        let (path, case) = (BStr::new(path.as_bytes()), Case::Sensitive);
        self.outcome.initialize(&self.collection);
        self.own.pattern_matching_relative_path(path, case, Some(false), &mut self.outcome);
        self.in_tree.pattern_matching_relative_path(path, case, Some(false), &mut self.outcome);
        let mut states = self.outcome.iter_selected().map(|found| State::from(found.assignment.state));
        let mut next = || states.next().unwrap_or_default();
        PathAttributes { text: next(), crlf: next(), eol: next(), ident: next(), encoding: next(), filter: next() }
    }
}

fn is_within(directory: &str, above: &str) -> bool {
    above.is_empty() || directory.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl From<StateRef<'_>> for State {
    fn from(state: StateRef<'_>) -> Self {
        match state {
            StateRef::Set => Self::Set,
            StateRef::Unset => Self::Unset,
            StateRef::Unspecified => Self::Unspecified,
            StateRef::Value(value) => Self::Value(value.as_bstr().to_string()),
        }
    }
}
