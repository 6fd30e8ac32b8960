//! `baseline`: records the checkout and copies its git directory, before any code of the repository runs.

use std::fs;
use std::io;
use std::path::Path;

use bstr::BString;
use serde::{Deserialize, Serialize};

use crate::error::ToolError;
use crate::files::path::RelativePath;
use crate::files::root::Root;
use crate::git::base::{Base, is_object_id};
use crate::git::{Git, copy};
use crate::worktree::ignores::MAX_RULES_BYTES;
use crate::worktree::record::{Autocrlf, Record, Settings};

/// Git's id of the empty tree, in repositories with SHA-1 and with SHA-256 ids.
const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
const EMPTY_TREE_SHA256: &str = "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321";
/// Maximum output of a git command that prints one line, in bytes.
const MAX_LINE_BYTES: u64 = 4096;

/// Records the base. The caller sends it once, right after the clone; a second call returns what the first one recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {}

/// The commit that later changes are compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselineTaken {
    /// None in an empty repository.
    pub commit: Option<String>,
    /// The checked-out branch; none when HEAD is detached.
    pub branch: Option<String>,
    /// The number of files in the commit.
    pub files: usize,
}

impl From<Base> for BaselineTaken {
    fn from(base: Base) -> Self {
        Self { commit: base.commit, branch: base.branch, files: base.files }
    }
}

pub(crate) fn baseline(root: &Root, state: &Path) -> Result<BaselineTaken, ToolError> {
    if let Ok((base, _)) = Base::open(state, root.path()) {
        return Ok(base.into());
    }
    let original = root.path().join(".git");
    let is_directory = fs::symlink_metadata(&original).is_ok_and(|metadata| metadata.is_dir());
    if !is_directory {
        return Err(ToolError::NoBase(format!("{} has no git directory", root.path().display())));
    }
    let checkout = Git::new(original.clone(), root.path());
    let (format, mut base) = read_base(&checkout)?;

    let partial = state.join("base.git.partial");
    let copied = || -> io::Result<()> {
        fs::create_dir_all(state)?;
        // A copy that was cut off earlier.
        match fs::remove_dir_all(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        copy::copy(&original, &partial, &format)?;
        let head = base.commit.clone().unwrap_or_else(|| "ref: refs/heads/base".to_owned());
        fs::write(partial.join("HEAD"), head + "\n")
    };
    copied().map_err(ToolError::io("copying the git directory to", partial.display().to_string()))?;

    let git = Git::new(partial.clone(), root.path());
    let tree = git.output(&["ls-tree", "-r", "-z", "--full-tree", &base.tree], b"")?;
    let settings = settings(&checkout, &format)?;
    // The rename comes last, so that a base which exists is complete.
    let saved = Record::write(root, &partial, &tree, settings).and_then(|record| {
        base.files = record.entries.len();
        base.save(&partial)?;
        fs::rename(&partial, Base::directory(state))
    });
    saved.map_err(ToolError::io("saving", partial.display().to_string()))?;
    Ok(base.into())
}

/// The kind of object ids in the repository, and its base.
fn read_base(checkout: &Git) -> Result<(String, Base), ToolError> {
    // Usually there is a commit, and git says everything at once.
    let arguments =
        ["rev-parse", "--show-object-format", "HEAD^{commit}", "HEAD^{tree}", "--symbolic-full-name", "HEAD"];
    let all = checkout.run(&arguments, b"", MAX_LINE_BYTES)?;
    let text = String::from_utf8_lossy(&all.stdout);
    let lines: Vec<&str> = text.lines().collect();
    if let (Some(0), [format, commit, tree, head]) = (all.code, lines.as_slice())
        && is_object_id(commit)
        && is_object_id(tree)
    {
        let branch = head.strip_prefix("refs/heads/").map(str::to_owned);
        let base = Base { commit: Some((*commit).to_owned()), branch, files: 0, tree: (*tree).to_owned() };
        return Ok(((*format).to_owned(), base));
    }
    let format = line(&checkout.output(&["rev-parse", "--show-object-format"], b"")?);
    let base = read_base_in_parts(checkout, &format)?;
    Ok((format, base))
}

fn read_base_in_parts(checkout: &Git, format: &str) -> Result<Base, ToolError> {
    let branch = checkout.run(&["symbolic-ref", "--quiet", "--short", "HEAD"], b"", MAX_LINE_BYTES)?;
    let branch = (branch.code == Some(0)).then(|| line(&branch.stdout));
    let head = checkout.run(&["rev-parse", "--quiet", "--verify", "HEAD"], b"", MAX_LINE_BYTES)?;
    // Exit code 1: HEAD names a branch without a commit.
    if head.code == Some(1) {
        let tree = if format == "sha256" { EMPTY_TREE_SHA256 } else { EMPTY_TREE };
        return Ok(Base { commit: None, branch, files: 0, tree: tree.to_owned() });
    }
    let names = checkout.output(&["rev-parse", "HEAD^{commit}", "HEAD^{tree}"], b"")?;
    let names = String::from_utf8_lossy(&names);
    let mut names = names.lines().filter(|name| is_object_id(name)).map(str::to_owned);
    match (names.next(), names.next()) {
        (Some(commit), Some(tree)) => Ok(Base { commit: Some(commit), branch, files: 0, tree }),
        (Some(_), None) | (None, _) => Err(ToolError::NoBase("HEAD names no commit".to_owned())),
    }
}

/// Reads what the checkout's git directory says about comparing files.
fn settings(checkout: &Git, format: &str) -> Result<Settings, ToolError> {
    let configuration = checkout.output(&["config", "--list", "-z"], b"")?;
    let mut settings = Settings {
        sha256: format == "sha256",
        file_mode: true,
        autocrlf: Autocrlf::False,
        eol_crlf: None,
        exclude: info(checkout, "exclude"),
        attributes: info(checkout, "attributes"),
    };
    // The last of several values counts. A name without a value is true.
    for line in configuration.split(|byte| *byte == 0) {
        let line = String::from_utf8_lossy(line).to_ascii_lowercase();
        let (name, value) = line.split_once('\n').unwrap_or((&line, "true"));
        let is_true = matches!(value, "true" | "yes" | "on" | "1");
        match name {
            "core.filemode" => settings.file_mode = is_true,
            "core.autocrlf" if value == "input" => settings.autocrlf = Autocrlf::Input,
            "core.autocrlf" => settings.autocrlf = if is_true { Autocrlf::True } else { Autocrlf::False },
            "core.eol" => settings.eol_crlf = ["lf", "crlf"].contains(&value).then_some(value == "crlf"),
            _ => {}
        }
    }
    Ok(settings)
}

/// A file of the git directory's `info`; empty when it is missing, or larger than any that a person writes.
fn info(checkout: &Git, name: &str) -> BString {
    let directory = Root::open(&checkout.git_dir().join("info"));
    let content = directory.and_then(|info| info.locate_exact(&RelativePath::exact(name)?)?.read(MAX_RULES_BYTES, ""));
    content.unwrap_or_default().into()
}

fn line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}
