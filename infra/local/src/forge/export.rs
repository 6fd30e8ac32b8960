//! What a sandbox clones from: one branch and nothing else. The forge's own repository also holds the branches of other sessions, also
//! those of other principals, and a command could read them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::ports::Clock as _;
use domain::{CommitId, Dependency, Digest256, Unavailable};
use jiff::Timestamp;

use super::git::Git;
use crate::clock::WallClock;

/// Exports of a repository that are kept besides the latest: for sessions on the same commits.
const MAX_KEPT: usize = 8;
/// Younger ones may be in use: a sandbox clones once, right after it was created.
const MIN_AGE: Duration = Duration::from_hours(1);

/// A bare repository with the branch, at the commit where it is, and the history that a clone gets. Made once for each.
pub(super) async fn export(git: &Git, home: &Path, branch: &str, commit: &CommitId) -> Result<PathBuf, Unavailable> {
    let exports = home.join("exports");
    let failed = |error: io::Error| Unavailable::new(Dependency::Forge, error);
    fs::create_dir_all(&exports).map_err(failed)?;
    let target = exports.join(name(branch, Some(commit)));
    if target.join("HEAD").exists() {
        return Ok(target);
    }
    // Under another name first, so that nobody finds half of it.
    let new = exports.join(format!("new-{:016x}", crate::clock::random()));
    git.clone_branch(branch, &new).await?;
    place(&new, &target).map_err(failed)?;
    if let Err(error) = prune(&exports, &target) {
        tracing::warn!(error = domain::error_chain(&error), "old exports of a repository were not removed");
    }
    Ok(target)
}

/// The same for a repository without commits.
pub(super) async fn empty(home: &Path) -> Result<PathBuf, Unavailable> {
    let target = home.join("exports").join(name("", None));
    fs::create_dir_all(home.join("exports")).map_err(|error| Unavailable::new(Dependency::Forge, error))?;
    Git::new(target.clone()).init().await?;
    Ok(target)
}

/// The commit, and the branch in a form that any file system takes.
fn name(branch: &str, commit: Option<&CommitId>) -> String {
    let branch = Digest256::of(branch.as_bytes());
    format!("{}-{}.git", commit.map_or("empty", CommitId::as_str), &branch.as_str()[..12])
}

fn place(new: &Path, target: &Path) -> io::Result<()> {
    fs::rename(new, target).or_else(|error| {
        // Somebody else was faster.
        if target.join("HEAD").exists() { fs::remove_dir_all(new) } else { Err(error) }
    })
}

fn prune(exports: &Path, latest: &Path) -> io::Result<()> {
    let mut found: Vec<(Timestamp, PathBuf)> = Vec::new();
    for entry in fs::read_dir(exports)? {
        let entry = entry?;
        let modified = Timestamp::try_from(entry.metadata()?.modified()?).map_err(io::Error::other)?;
        found.push((modified, entry.path()));
    }
    found.sort();
    let now = WallClock.now();
    let surplus = found.len().saturating_sub(MAX_KEPT);
    for (modified, path) in found.into_iter().take(surplus) {
        if path != latest && now.duration_since(modified).unsigned_abs() > MIN_AGE {
            fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}
