//! The ignore rules of a directory: its own `.gitignore`, then those above it, then `info/exclude`.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;

use bstr::{BStr, ByteSlice};
use gix_ignore::glob::pattern::Case;
use gix_ignore::glob::search::pattern::List;
use gix_ignore::search::{Ignore, pattern_matching_relative_path};
use rustix::fs::{Mode, OFlags, openat};

/// Maximum size of a file of rules, in bytes. A larger one is not applied.
pub(crate) const MAX_RULES_BYTES: u64 = 1 << 20;

pub(crate) type Patterns = List<Ignore>;

/// The rules that git keeps outside the work tree.
pub(crate) fn exclude(content: &[u8]) -> Option<Patterns> {
    patterns(content, b"info/exclude", false)
}

/// A directory that is being walked, and those above it.
pub(crate) struct Level<'a> {
    above: Option<&'a Level<'a>>,
    pub(crate) directory: OwnedFd,
    /// The path of the directory, with a `/` at its end; empty for the root.
    pub(crate) prefix: Vec<u8>,
    /// Whether the directory itself is ignored. What the base commit has in it is compared all the same.
    is_ignored: OnceLock<bool>,
    /// Read when something untracked is found in the directory or below it.
    rules: OnceLock<Rules>,
}

enum Rules {
    None,
    Patterns(Patterns),
    /// The file has more than [`MAX_RULES_BYTES`].
    TooLarge,
}

impl<'a> Level<'a> {
    pub(crate) fn root(directory: OwnedFd) -> Self {
        Self { above: None, directory, prefix: Vec::new(), is_ignored: OnceLock::from(false), rules: OnceLock::new() }
    }

    /// A directory of this one that the base commit has too.
    pub(crate) fn below(&'a self, directory: OwnedFd, name: &[u8]) -> Self {
        let prefix = [self.prefix.as_slice(), name, b"/"].concat();
        Self { above: Some(self), directory, prefix, is_ignored: OnceLock::new(), rules: OnceLock::new() }
    }

    /// A directory of this one that is not ignored.
    pub(crate) fn below_untracked(&'a self, directory: OwnedFd, name: &[u8]) -> Self {
        Self { is_ignored: OnceLock::from(false), ..self.below(directory, name) }
    }

    /// The path of an entry.
    pub(crate) fn path(&self, name: &[u8]) -> Vec<u8> {
        [self.prefix.as_slice(), name].concat()
    }

    /// Whether an untracked entry of this directory is ignored.
    pub(crate) fn ignores(&self, name: &[u8], is_directory: bool, exclude: Option<&Patterns>) -> bool {
        self.is_ignored(exclude) || self.decide(&self.path(name), is_directory, exclude)
    }

    fn is_ignored(&self, exclude: Option<&Patterns>) -> bool {
        *self.is_ignored.get_or_init(|| {
            let path = self.prefix.strip_suffix(b"/").unwrap_or(&self.prefix);
            self.above.is_some_and(|above| above.is_ignored(exclude) || above.decide(path, true, exclude))
        })
    }

    /// The nearest rule that matches a path decides.
    fn decide(&self, path: &[u8], is_directory: bool, exclude: Option<&Patterns>) -> bool {
        let mut level = Some(self);
        while let Some(here) = level {
            if let Rules::Patterns(list) = here.rules()
                && let Some(ignored) = decide(list, path, is_directory)
            {
                return ignored;
            }
            level = here.above;
        }
        exclude.and_then(|list| decide(list, path, is_directory)).unwrap_or(false)
    }

    fn rules(&self) -> &Rules {
        self.rules.get_or_init(|| match read(&self.directory) {
            Ok(Some(content)) => {
                patterns(&content, &self.path(b".gitignore"), true).map_or(Rules::None, Rules::Patterns)
            }
            Ok(None) => Rules::TooLarge,
            // As for git, a link, a pipe or an unreadable file has no rules.
            Err(_) => Rules::None,
        })
    }

    /// Whether the directory's rules were wanted and are too large to be applied.
    pub(crate) fn has_too_many_rules(&self) -> bool {
        matches!(self.rules.get(), Some(Rules::TooLarge))
    }
}

fn decide(list: &Patterns, path: &[u8], is_directory: bool) -> Option<bool> {
    let name = path.rfind_byte(b'/').map(|slash| slash + 1);
    let path = BStr::new(path);
    pattern_matching_relative_path(list, path, name, Some(is_directory), Case::Sensitive)
        .map(|found| !found.pattern.is_negative())
}

fn patterns(content: &[u8], source: &[u8], is_relative: bool) -> Option<Patterns> {
    let source = Path::new(OsStr::from_bytes(source)).to_path_buf();
    let root = is_relative.then_some(Path::new(""));
    List::from_bytes(content, source, root, Ignore { support_precious: false })
        .ok()
        .filter(|list| !list.patterns.is_empty())
}

/// The content of a directory's `.gitignore`; none when it is too large.
fn read(directory: &OwnedFd) -> io::Result<Option<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(directory, ".gitignore", flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut content = Vec::new();
    let read = file.take(MAX_RULES_BYTES + 1).read_to_end(&mut content)? as u64;
    Ok((read <= MAX_RULES_BYTES).then_some(content))
}
