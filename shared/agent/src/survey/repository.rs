//! The toolbox's facts, indexed for queries. They come from a sandbox and are untrusted: all limits are applied here, and a
//! path is checked before it becomes part of a command.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use toolbox::Surveyed;

/// Maximum manifests that are read. The toolbox sends fewer.
const MAX_MANIFESTS: usize = 64;
/// Maximum bytes that are read of one manifest. The toolbox sends fewer.
const MAX_MANIFEST_BYTES: usize = 64 * 1024;
/// Maximum paths and extensions that are read. The toolbox sends fewer.
const MAX_NAMES: usize = 4096;
/// Maximum directories below the root that commands are listed for, when the root itself is no project.
const MAX_COMMAND_DIRECTORIES: usize = 3;
/// Maximum length of a path in a command. It is ASCII, so bytes are characters.
const MAX_PATH_CHARACTERS: usize = 80;

/// Directories that hold copies of other projects, or samples.
const VENDORED: &[&str] = &["node_modules", "vendor", "third_party", "fixtures", "testdata", "examples"];

/// A directory as its path from the root. The root's path is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Directory<'a>(&'a str);

impl<'a> Directory<'a> {
    pub(super) const ROOT: Directory<'static> = Directory("");

    pub(super) fn is_root(self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn path(self) -> &'a str {
        self.0
    }

    fn depth(self) -> usize {
        if self.is_root() { 0 } else { self.0.split('/').count() }
    }

    fn is_vendored(self) -> bool {
        self.0.split('/').any(|part| VENDORED.contains(&part))
    }

    /// The path as a word of a shell command. None for a path that would need quoting: the model reads these commands, and
    /// a repository must not be able to write sentences into them by the name of a directory.
    pub(super) fn argument(self) -> Option<&'a str> {
        if self.is_root() {
            return Some(".");
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/');
        let is_safe = self.0.len() <= MAX_PATH_CHARACTERS
            && !self.0.starts_with(['-', '/'])
            && self.0.bytes().all(is_plain)
            && self.0.split('/').all(|part| part != "..");
        is_safe.then_some(self.0)
    }

    /// `command`, for running it from the root.
    pub(super) fn command(self, command: &str) -> Option<String> {
        if self.is_root() { Some(command.to_owned()) } else { Some(format!("cd {} && {command}", self.argument()?)) }
    }
}

/// A file whose content the toolbox sent.
pub(super) struct Manifest<'a> {
    pub(super) directory: Directory<'a>,
    pub(super) name: &'a str,
    /// The content, or its beginning when it exceeds the limit.
    pub(super) text: &'a str,
}

impl Manifest<'_> {
    /// The content as JSON. None when it is invalid or was cut.
    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_str(self.text.trim_start_matches('\u{feff}')).ok()
    }

    /// The content as TOML. When it was cut, everything before the last table header.
    pub(super) fn toml(&self) -> Option<toml::Table> {
        let whole = self.text.parse().ok();
        whole.or_else(|| self.text.get(..self.text.rfind("\n[")?)?.parse().ok())
    }
}

pub(super) struct Repository<'a> {
    manifests: Vec<Manifest<'a>>,
    paths: BTreeSet<&'a str>,
    extensions: BTreeMap<String, u64>,
    notebooks: u64,
}

impl<'a> Repository<'a> {
    pub(super) fn new(facts: &'a Surveyed) -> Self {
        let mut manifests: Vec<Manifest<'a>> = facts.manifests.iter().take(MAX_MANIFESTS).map(manifest).collect();
        manifests.retain(|manifest| !manifest.directory.is_vendored());
        manifests.sort_by_key(|manifest| (manifest.directory.depth(), manifest.directory, manifest.name));
        let listed = facts.tree.iter().map(|path| path.trim_end_matches('/'));
        let manifest_paths = facts.manifests.iter().map(|manifest| manifest.path.as_str());
        let mut extensions = BTreeMap::<String, u64>::new();
        for extension in facts.extensions.iter().take(MAX_NAMES) {
            let name = extension.extension.trim_start_matches('.').to_ascii_lowercase();
            let bytes = extensions.entry(name).or_default();
            *bytes = bytes.saturating_add(extension.bytes);
        }
        Self {
            manifests,
            paths: listed.take(MAX_NAMES).chain(manifest_paths.take(MAX_MANIFESTS)).collect(),
            extensions,
            notebooks: facts.notebooks,
        }
    }

    /// All manifests, those at the root first.
    pub(super) fn manifests(&self) -> impl Iterator<Item = &Manifest<'a>> {
        self.manifests.iter()
    }

    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &Manifest<'a>> {
        self.manifests.iter().filter(move |manifest| manifest.name == name)
    }

    pub(super) fn in_directory(&self, directory: Directory<'_>) -> impl Iterator<Item = &Manifest<'a>> {
        self.manifests.iter().filter(move |manifest| manifest.directory == directory)
    }

    /// Whether the directory is known to contain a file or directory of that name.
    pub(super) fn has_in(&self, directory: Directory<'_>, name: &str) -> bool {
        if directory.is_root() {
            self.paths.contains(name)
        } else {
            self.paths.contains(format!("{}/{name}", directory.path()).as_str())
        }
    }

    /// The known names directly in a directory.
    pub(super) fn names_in(&self, directory: Directory<'_>) -> impl Iterator<Item = &'a str> {
        self.paths.iter().filter_map(move |path| {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            (parent == directory.path()).then_some(name)
        })
    }

    /// Whether Python packages are in `src/`.
    pub(super) fn is_src_layout(&self) -> bool {
        self.bytes("py") > 0 && self.names_in(Directory("src")).any(|name| !name.contains('.'))
    }

    /// Extensions without their dot, in lower case, with the bytes in files of that extension.
    pub(super) fn extensions(&self) -> impl Iterator<Item = (&str, u64)> {
        self.extensions.iter().map(|(extension, bytes)| (extension.as_str(), *bytes))
    }

    pub(super) fn bytes(&self, extension: &str) -> u64 {
        self.extensions.get(extension).copied().unwrap_or(0)
    }

    pub(super) fn notebooks(&self) -> u64 {
        self.notebooks
    }

    /// The directories with a manifest of one of these names.
    pub(super) fn project_directories(&self, names: &[&str]) -> ProjectDirectories<'a> {
        ProjectDirectories(self.directories_with(|name| names.contains(&name)))
    }

    /// The directories with a manifest whose name matches, the root first.
    pub(super) fn directories_with(&self, matches: impl Fn(&str) -> bool) -> Vec<Directory<'a>> {
        let mut directories: Vec<_> = self
            .manifests
            .iter()
            .filter(|manifest| matches(manifest.name))
            .map(|manifest| manifest.directory)
            .collect();
        directories.dedup();
        directories
    }
}

/// The directories that hold a project of one ecosystem, the root first.
pub(super) struct ProjectDirectories<'a>(Vec<Directory<'a>>);

impl<'a> ProjectDirectories<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Directory<'a>> {
        self.0.iter().copied()
    }

    /// The directories that commands are listed for: only the root when it is such a project, because the others are usually
    /// its parts; otherwise the first few.
    pub(super) fn for_commands(&self) -> Vec<Directory<'a>> {
        let max = if self.0.first().is_some_and(|directory| directory.is_root()) { 1 } else { MAX_COMMAND_DIRECTORIES };
        self.0.iter().copied().take(max).collect()
    }
}

fn manifest(manifest: &toolbox::Manifest) -> Manifest<'_> {
    let (directory, name) = manifest.path.rsplit_once('/').unwrap_or(("", &manifest.path));
    let mut end = manifest.text.len().min(MAX_MANIFEST_BYTES);
    while !manifest.text.is_char_boundary(end) {
        end -= 1;
    }
    Manifest { directory: Directory(directory), name, text: &manifest.text[..end] }
}
