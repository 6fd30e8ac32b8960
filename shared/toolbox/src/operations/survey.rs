//! `survey`: raw facts about a repository, for a classifier outside.

use std::collections::BTreeMap;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::{Deserialize, Serialize};

use crate::error::ToolError;
use crate::files::path::RelativePath;
use crate::files::root::Root;
use crate::files::walk::{Entry, EntryKind, Hidden, Walk};
use crate::text::cut;

/// Entries of the tree, levels of it, and levels on which manifests are looked for.
const MAX_ENTRIES: usize = 200;
const TREE_LEVELS: usize = 2;
const MANIFEST_LEVELS: usize = 3;
/// Manifests, bytes of each, bytes of all together.
const MAX_MANIFESTS: usize = 40;
const MAX_MANIFEST_BYTES: usize = 16 << 10;
const ALL_MANIFESTS: usize = 200 << 10;
/// A manifest file beyond this is not even opened.
const MAX_OPENED_BYTES: u64 = 4 << 20;
/// Extensions that are told apart.
const MAX_EXTENSIONS: usize = 200;

/// Files whose content tells what a repository is, one glob a line, matched without regard to case.
const MANIFESTS: &str = include_str!("manifests.txt");

/// Asks for the facts; there is nothing to choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Survey {}

/// The facts. Ignored files are left out of all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surveyed {
    /// Whether there is no file at all.
    pub empty: bool,
    pub files: u64,
    pub bytes: u64,
    /// By extension in lower case, the most frequent first; files without one under an empty name, and those beyond the
    /// 200th extension under `*`.
    pub extensions: Vec<Extension>,
    /// Two levels of entries, directories with a `/` at their end.
    pub tree: Vec<String>,
    /// Whether the tree had more.
    pub tree_cut: bool,
    /// Jupyter notebooks.
    pub notebooks: u64,
    /// Well-known configuration and text files, the outermost first.
    pub manifests: Vec<Manifest>,
    /// Whether there were more than are given.
    pub manifests_cut: bool,
    /// Paths of licence files, whose text is not given.
    pub licenses: Vec<String>,
}

/// How much there is of one kind of file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    pub extension: String,
    pub files: u64,
    pub bytes: u64,
}

/// A configuration file, or the beginning of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub path: String,
    /// At most 16 KiB; bytes that are not UTF-8 are written `\xNN`.
    pub text: String,
    /// Whether the file goes on.
    pub cut: bool,
}

pub(crate) fn survey(root: &Root) -> Result<Surveyed, ToolError> {
    let known = manifests()?;
    let mut surveyed = Surveyed { empty: true, ..Surveyed::default() };
    let mut extensions: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut found: Vec<RelativePath> = Vec::new();
    for entry in (Walk { levels: None, hidden: Hidden::Show }).entries(root, &RelativePath::ROOT) {
        let depth = entry.path.components().count();
        if depth <= TREE_LEVELS {
            if surveyed.tree.len() < MAX_ENTRIES {
                surveyed.tree.push(shown(&entry));
            } else {
                surveyed.tree_cut = true;
            }
        }
        if entry.kind != EntryKind::File {
            // A link is something too, though it is no file of its own.
            surveyed.empty &= entry.kind != EntryKind::Link;
            continue;
        }
        surveyed.empty = false;
        surveyed.files += 1;
        surveyed.bytes += entry.bytes;
        let extension = extension(&entry.path);
        surveyed.notebooks += u64::from(extension == "ipynb");
        let counts = extensions.entry(extension).or_default();
        counts.0 += 1;
        counts.1 += entry.bytes;
        if depth <= MANIFEST_LEVELS {
            let name = entry.path.as_str().rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
            if name.starts_with("license") || name.starts_with("licence") {
                if surveyed.licenses.len() < MAX_MANIFESTS {
                    surveyed.licenses.push(entry.path.as_str().to_owned());
                }
            } else if known.is_match(entry.path.as_str()) && entry.bytes <= MAX_OPENED_BYTES {
                found.push(entry.path);
            }
        }
    }
    surveyed.extensions = most_frequent(extensions);
    found.sort_by_key(|path| path.components().count());
    read_manifests(root, &found, &mut surveyed);
    Ok(surveyed)
}

fn shown(entry: &Entry) -> String {
    match entry.kind {
        EntryKind::Directory => format!("{}/", entry.path),
        EntryKind::File | EntryKind::Link => entry.path.as_str().to_owned(),
    }
}

fn extension(path: &RelativePath) -> String {
    let name = path.as_str().rsplit('/').next().unwrap_or_default();
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && extension.len() <= 32 => extension.to_ascii_lowercase(),
        Some(_) | None => String::new(),
    }
}

fn most_frequent(extensions: BTreeMap<String, (u64, u64)>) -> Vec<Extension> {
    let mut sorted: Vec<Extension> =
        extensions.into_iter().map(|(extension, (files, bytes))| Extension { extension, files, bytes }).collect();
    sorted.sort_by_key(|extension| std::cmp::Reverse(extension.files));
    if sorted.len() > MAX_EXTENSIONS {
        let rest = sorted.split_off(MAX_EXTENSIONS);
        let (files, bytes) = rest.iter().fold((0, 0), |(files, bytes), each| (files + each.files, bytes + each.bytes));
        sorted.push(Extension { extension: "*".to_owned(), files, bytes });
    }
    sorted
}

fn read_manifests(root: &Root, found: &[RelativePath], surveyed: &mut Surveyed) {
    let mut room = ALL_MANIFESTS;
    for path in found {
        if surveyed.manifests.len() == MAX_MANIFESTS || room == 0 {
            surveyed.manifests_cut = true;
            return;
        }
        // One that vanished or cannot be read tells nothing; the rest does.
        let content = root.locate_exact(path).and_then(|located| located.read(MAX_OPENED_BYTES, ""));
        let Ok(content) = content else { continue };
        let kept = &content[..content.len().min(MAX_MANIFEST_BYTES).min(room)];
        room -= kept.len();
        let (text, _) = cut::decode(kept);
        surveyed.manifests.push(Manifest { path: path.as_str().to_owned(), text, cut: kept.len() < content.len() });
    }
}

fn manifests() -> Result<GlobSet, ToolError> {
    let mut builder = GlobSetBuilder::new();
    let patterns = MANIFESTS.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let invalid = |error: globset::Error| ToolError::Invalid(format!("The list of manifests is wrong: {error}."));
    for pattern in patterns {
        // A line with a `/` names a place below any directory, one without names a file anywhere.
        let glob = GlobBuilder::new(&format!("**/{pattern}"))
            .literal_separator(true)
            .case_insensitive(true)
            .build()
            .map_err(invalid)?;
        builder.add(glob);
    }
    builder.build().map_err(invalid)
}
