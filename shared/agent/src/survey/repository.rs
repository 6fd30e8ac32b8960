//! The toolbox's facts, arranged for asking. They come out of a sandbox: everything is capped here, once, and nothing is
//! taken for a path or a command before it has been looked at.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use toolbox::Surveyed;

/// Manifests looked at. The toolbox sends fewer.
const MAX_MANIFESTS: usize = 64;
/// Bytes read of one manifest. The toolbox sends fewer.
const MAX_MANIFEST_BYTES: usize = 64 * 1024;
/// Paths and extensions looked at. The toolbox sends fewer.
const MAX_NAMES: usize = 4096;
/// Places below the root for which commands are given when the root itself is no project.
const MAX_PLACES: usize = 3;
/// The longest path that is put into a command, in bytes.
const MAX_PATH_CHARACTERS: usize = 80;

/// Directories whose projects are not this repository's own.
const FOREIGN: &[&str] = &["node_modules", "vendor", "third_party", "fixtures", "testdata", "examples"];

/// A directory by its path from the root; the root's is empty.
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

    fn is_foreign(self) -> bool {
        self.0.split('/').any(|part| FOREIGN.contains(&part))
    }

    /// The path as a word of a shell command. Nothing for a path that would need quoting: the commands are shown to the
    /// model, and a name is no place for a repository to write sentences into.
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

    /// A command as it is run from the root.
    pub(super) fn command(self, command: &str) -> Option<String> {
        if self.is_root() { Some(command.to_owned()) } else { Some(format!("cd {} && {command}", self.argument()?)) }
    }
}

/// A file whose content is known.
pub(super) struct Manifest<'a> {
    pub(super) directory: Directory<'a>,
    pub(super) name: &'a str,
    /// Its beginning, when it is long.
    pub(super) text: &'a str,
}

impl Manifest<'_> {
    /// The file as JSON; nothing when it is none or was cut.
    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_str(self.text.trim_start_matches('\u{feff}')).ok()
    }

    /// The file as TOML. Of one that was cut, everything before the last heading.
    pub(super) fn toml(&self) -> Option<toml::Table> {
        let whole = self.text.parse().ok();
        whole.or_else(|| self.text.get(..self.text.rfind("\n[")?)?.parse().ok())
    }
}

/// A repository, as far as the toolbox told.
pub(super) struct Repository<'a> {
    manifests: Vec<Manifest<'a>>,
    paths: BTreeSet<&'a str>,
    extensions: BTreeMap<String, u64>,
    notebooks: u64,
}

impl<'a> Repository<'a> {
    pub(super) fn new(facts: &'a Surveyed) -> Self {
        let mut manifests: Vec<Manifest<'a>> = facts.manifests.iter().take(MAX_MANIFESTS).map(manifest).collect();
        manifests.retain(|manifest| !manifest.directory.is_foreign());
        manifests.sort_by_key(|manifest| (manifest.directory.depth(), manifest.directory, manifest.name));
        let listed = facts.tree.iter().map(|path| path.trim_end_matches('/'));
        let known = facts.manifests.iter().map(|manifest| manifest.path.as_str());
        let mut extensions = BTreeMap::<String, u64>::new();
        for extension in facts.extensions.iter().take(MAX_NAMES) {
            let name = extension.extension.trim_start_matches('.').to_ascii_lowercase();
            let bytes = extensions.entry(name).or_default();
            *bytes = bytes.saturating_add(extension.bytes);
        }
        Self {
            manifests,
            paths: listed.take(MAX_NAMES).chain(known.take(MAX_MANIFESTS)).collect(),
            extensions,
            notebooks: facts.notebooks,
        }
    }

    /// Every file whose content is known, the root's first.
    pub(super) fn manifests(&self) -> impl Iterator<Item = &Manifest<'a>> {
        self.manifests.iter()
    }

    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &Manifest<'a>> {
        self.manifests.iter().filter(move |manifest| manifest.name == name)
    }

    pub(super) fn in_directory(&self, directory: Directory<'_>) -> impl Iterator<Item = &Manifest<'a>> {
        self.manifests.iter().filter(move |manifest| manifest.directory == directory)
    }

    /// Whether something of that name, file or directory, is known to lie there.
    pub(super) fn has_in(&self, directory: Directory<'_>, name: &str) -> bool {
        if directory.is_root() {
            self.paths.contains(name)
        } else {
            self.paths.contains(format!("{}/{name}", directory.path()).as_str())
        }
    }

    /// What is known to lie directly in a directory.
    pub(super) fn names_in(&self, directory: Directory<'_>) -> impl Iterator<Item = &'a str> {
        self.paths.iter().filter_map(move |path| {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            (parent == directory.path()).then_some(name)
        })
    }

    /// Whether Python packages lie below `src/`.
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

    /// Directories with a manifest of one of these names.
    pub(super) fn places(&self, names: &[&str]) -> Places<'a> {
        Places(self.directories_with(|name| names.contains(&name)))
    }

    /// Directories with a manifest whose name is of a kind, the root first.
    pub(super) fn directories_with(&self, is_one: impl Fn(&str) -> bool) -> Vec<Directory<'a>> {
        let mut directories: Vec<_> =
            self.manifests.iter().filter(|manifest| is_one(manifest.name)).map(|manifest| manifest.directory).collect();
        directories.dedup();
        directories
    }
}

/// Directories that hold a project of one ecosystem, the root first.
pub(super) struct Places<'a>(Vec<Directory<'a>>);

impl<'a> Places<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Directory<'a>> {
        self.0.iter().copied()
    }

    /// Where commands are run: at the root when that is such a project, whose parts the others are as a rule; else in the
    /// first few.
    pub(super) fn worked_in(&self) -> Vec<Directory<'a>> {
        let most = if self.0.first().is_some_and(|directory| directory.is_root()) { 1 } else { MAX_PLACES };
        self.0.iter().copied().take(most).collect()
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
