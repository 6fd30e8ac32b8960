//! Lists the files below a directory, except those that git ignores.

use std::ffi::OsStr;
use std::path::Path;
use std::time::SystemTime;

use ignore::{DirEntry, WalkBuilder};

use super::path::{RelativePath, is_git_name};
use super::root::Root;

/// What a walk lists.
#[derive(Clone, Copy)]
pub(crate) struct Walk {
    /// Maximum levels below the target; none for no limit.
    pub(crate) levels: Option<usize>,
    pub(crate) hidden: Hidden,
}

/// Whether names that begin with a dot are listed. `.git` is never listed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hidden {
    Show,
    LeaveOut,
}

/// A file, directory or link below the target.
pub(crate) struct Entry {
    pub(crate) path: RelativePath,
    pub(crate) kind: EntryKind,
    pub(crate) bytes: u64,
    pub(crate) modified: Option<SystemTime>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryKind {
    File,
    Directory,
    Link,
}

impl Walk {
    /// Everything below `target`, without `target` itself, ordered by name. Links are listed and not followed. Names that are
    /// not UTF-8 and special files are left out.
    ///
    /// The walk begins at the root, so that the `.gitignore` files between root and target count and none above the root
    /// does. An ignored target was named by the caller, so it is listed by the rules of its own `.gitignore` files.
    pub(crate) fn entries<'a>(self, root: &'a Root, target: &RelativePath) -> Box<dyn Iterator<Item = Entry> + 'a> {
        let from_root = self.walk(root.path(), &RelativePath::ROOT, target.clone());
        let mut from_root = from_root.peekable();
        if target.is_root() {
            return Box::new(from_root);
        }
        // The walk yields the target first, unless it is ignored.
        if from_root.peek().is_some() {
            return Box::new(from_root.skip(1));
        }
        let ignored = root.path().join(target.as_str());
        Box::new(self.walk(&ignored, target, RelativePath::ROOT))
    }

    fn walk(self, start: &Path, prefix: &RelativePath, target: RelativePath) -> impl Iterator<Item = Entry> + use<> {
        let mut builder = WalkBuilder::new(start);
        builder
            .standard_filters(false)
            .git_ignore(true)
            .require_git(false)
            .max_depth(self.levels.map(|levels| levels + target.components().count()))
            .sort_by_file_name(OsStr::cmp);
        let (base, wanted) = (start.to_path_buf(), target.clone());
        builder.filter_entry(move |entry| match relative(entry.path(), &base) {
            Some(path) if path.is_root() => true,
            Some(path) => {
                let name = entry.file_name().to_string_lossy();
                let leads_to_target = wanted.is_within(&path);
                let hidden = self.hidden == Hidden::LeaveOut && name.starts_with('.');
                !is_git_name(&name) && (leads_to_target || (path.is_within(&wanted) && !hidden))
            }
            None => false,
        });
        let (base, prefix) = (start.to_path_buf(), prefix.clone());
        builder.build().flatten().filter_map(move |entry| {
            let path = relative(entry.path(), &base)?;
            let wanted = path.is_within(&target) && entry.depth() > 0;
            wanted.then(|| to_entry(&entry, &prefix, &path)).flatten()
        })
    }
}

fn relative(path: &Path, base: &Path) -> Option<RelativePath> {
    let path = path.strip_prefix(base).ok()?.to_str()?;
    Some(RelativePath::from_components(path.split('/').filter(|part| !part.is_empty())))
}

fn to_entry(entry: &DirEntry, prefix: &RelativePath, path: &RelativePath) -> Option<Entry> {
    let file_type = entry.file_type()?;
    let kind = if file_type.is_symlink() {
        EntryKind::Link
    } else if file_type.is_dir() {
        EntryKind::Directory
    } else if file_type.is_file() {
        EntryKind::File
    } else {
        return None;
    };
    let metadata = entry.metadata().ok()?;
    let path = RelativePath::from_components(prefix.components().chain(path.components()));
    Some(Entry { path, kind, bytes: metadata.len(), modified: metadata.modified().ok() })
}
