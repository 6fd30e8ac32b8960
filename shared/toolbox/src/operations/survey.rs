//! `survey`: collects facts about a repository, which the caller classifies.

use std::collections::BTreeMap;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::{Deserialize, Serialize};

use crate::error::ToolError;
use crate::files::path::RelativePath;
use crate::files::root::Root;
use crate::files::walk::{Entry, EntryKind, Hidden, Walk};
use crate::text::cut;

/// Maximum entries of the listed tree.
const MAX_ENTRIES: usize = 200;
/// Levels of the listed tree.
const TREE_LEVELS: usize = 2;
/// Levels that are searched for manifests and licences.
const MANIFEST_LEVELS: usize = 3;
/// Maximum number of manifests, and of licences.
const MAX_MANIFESTS: usize = 40;
/// Maximum bytes of one manifest's text.
const MAX_MANIFEST_BYTES: usize = 16 << 10;
/// Maximum bytes of the texts of all manifests together.
const MAX_ALL_MANIFESTS_BYTES: usize = 200 << 10;
/// Maximum size of a manifest that is opened, in bytes; a larger one is left out.
const MAX_OPENED_BYTES: u64 = 4 << 20;
/// Maximum number of extensions; the rarest are counted together.
const MAX_EXTENSIONS: usize = 200;
/// Maximum length of an extension, in bytes. A longer one is part of a name, not a file type.
const MAX_EXTENSION_BYTES: usize = 32;

/// The manifests: files whose content describes a repository. One glob per line, matched without regard to case.
const MANIFESTS: &str = include_str!("manifests.txt");

/// Requests the survey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Survey {}

/// The facts. None of them includes ignored files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surveyed {
    /// Whether the repository has neither files nor links.
    pub empty: bool,
    pub files: u64,
    pub bytes: u64,
    /// The extensions in lower case, the most frequent first. An empty extension stands for files without one, `*` for the
    /// files of all extensions after the 200th.
    pub extensions: Vec<Extension>,
    /// The entries of the upper two levels. Directories end in `/`.
    pub tree: Vec<String>,
    /// Whether `tree` is incomplete.
    pub tree_cut: bool,
    /// The number of Jupyter notebooks.
    pub notebooks: u64,
    /// Well-known configuration and text files, those of the upper levels first.
    pub manifests: Vec<Manifest>,
    /// Whether `manifests` is incomplete.
    pub manifests_cut: bool,
    /// The paths of licence files; their text is not read.
    pub licenses: Vec<String>,
}

/// The files with one extension.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    pub extension: String,
    pub files: u64,
    pub bytes: u64,
}

/// A configuration or text file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub path: String,
    /// The first 16 KiB. Bytes that are not UTF-8 are written as `\xNN`.
    pub text: String,
    /// Whether `text` is only the beginning of the file.
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
            // A repository of links alone is not empty.
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
        Some((stem, extension)) if !stem.is_empty() && extension.len() <= MAX_EXTENSION_BYTES => {
            extension.to_ascii_lowercase()
        }
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
    let mut remaining = MAX_ALL_MANIFESTS_BYTES;
    for path in found {
        if surveyed.manifests.len() == MAX_MANIFESTS || remaining == 0 {
            surveyed.manifests_cut = true;
            return;
        }
        // A manifest that was deleted meanwhile or cannot be read is left out.
        let content = root.locate_exact(path).and_then(|located| located.read(MAX_OPENED_BYTES, ""));
        let Ok(content) = content else { continue };
        let limit = MAX_MANIFEST_BYTES.min(remaining);
        let head = cut::bytes(&content, limit);
        remaining -= limit.min(content.len());
        let (text, _) = cut::decode(head);
        surveyed.manifests.push(Manifest { path: path.as_str().to_owned(), text, cut: head.len() < content.len() });
    }
}

fn manifests() -> Result<GlobSet, ToolError> {
    let mut builder = GlobSetBuilder::new();
    let patterns = MANIFESTS.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let invalid =
        |error: globset::Error| ToolError::Invalid(format!("The toolbox's list of manifests is not valid: {error}."));
    for pattern in patterns {
        // Every pattern matches below any directory.
        let glob = GlobBuilder::new(&format!("**/{pattern}"))
            .literal_separator(true)
            .case_insensitive(true)
            .build()
            .map_err(invalid)?;
        builder.add(glob);
    }
    builder.build().map_err(invalid)
}
