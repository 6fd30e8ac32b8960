//! `baseline`: keeps the checkout's git directory as it is before anything of the repository runs.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::ToolError;
use crate::files::root::Root;
use crate::git::base::{Base, is_object_id};
use crate::git::{Git, copy};

const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
const EMPTY_TREE_SHA256: &str = "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321";

/// Takes the base. Called once, right after the clone; a second call answers what the first one found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {}

/// The commit that all later changes are held against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselineTaken {
    /// None in an empty repository.
    pub commit: Option<String>,
    /// The branch that is checked out, if one is.
    pub branch: Option<String>,
    /// Files in the commit.
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
    let own = root.path().join(".git");
    let is_directory = fs::symlink_metadata(&own).is_ok_and(|metadata| metadata.is_dir());
    if !is_directory {
        return Err(ToolError::NoBase(format!("{} has no git directory", root.path().display())));
    }
    let checkout = Git::new(own.clone(), root.path());
    let format = line(&checkout.output(&["rev-parse", "--show-object-format"], b"")?);
    let mut base = read_base(&checkout, &format)?;

    let partial = state.join("base.git.partial");
    let copied = || -> io::Result<()> {
        fs::create_dir_all(state)?;
        match fs::remove_dir_all(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        copy::copy(&own, &partial, &format)?;
        let head = base.commit.clone().unwrap_or_else(|| "ref: refs/heads/base".to_owned());
        fs::write(partial.join("HEAD"), head + "\n")
    };
    copied().map_err(ToolError::io("copying the git directory to", partial.display().to_string()))?;

    let git = Git::new(partial.clone(), root.path());
    match_index(&git, &base)?;
    let files = git.output(&["ls-tree", "-r", "-z", "--name-only", &base.tree], b"")?;
    base.files = memchr::memchr_iter(0, &files).count();
    let kept = base.save(&partial).and_then(|()| fs::rename(&partial, Base::directory(state)));
    kept.map_err(ToolError::io("keeping", partial.display().to_string()))?;
    Ok(base.into())
}

fn read_base(checkout: &Git, format: &str) -> Result<Base, ToolError> {
    let branch = checkout.run(&["symbolic-ref", "--quiet", "--short", "HEAD"], b"", 4096)?;
    let branch = (branch.code == Some(0)).then(|| line(&branch.stdout));
    let head = checkout.run(&["rev-parse", "--quiet", "--verify", "HEAD"], b"", 4096)?;
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

/// The copied index must say what the commit says. One that does not (a clone without a checkout, an index that depends
/// on further files) is read anew, at the price of one slow comparison.
fn match_index(git: &Git, base: &Base) -> Result<(), ToolError> {
    let difference = git.run(&["diff-index", "--cached", "--quiet", &base.tree], b"", 4096)?;
    if difference.code == Some(0) {
        return Ok(());
    }
    match fs::remove_file(git.git_dir().join("index")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(ToolError::io("deleting", "the copied index")(error));
        }
        Ok(()) | Err(_) => {}
    }
    git.output(&["read-tree", &base.tree], b"").map(drop)
}

fn line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}
