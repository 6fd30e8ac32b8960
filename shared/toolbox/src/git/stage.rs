//! Bringing the pristine git directory's index up to what the workspace holds.
//!
//! `git add -A` would do it in one go, but it hashes a file of any size before its size can be judged, ends at a nested
//! repository without a commit, and leaves out what it cannot read with a warning. So git lists what differs, the list
//! is judged here, and what passes is handed to `git update-index`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::Git;
use crate::change::Skipped;
use crate::error::ToolError;
use crate::files::path::RelativePath;
use crate::files::root::{Found, Root};

/// Git processes that are spent on finding the paths that git refuses.
const MAX_ATTEMPTS: usize = 64;

/// What is let into the index.
#[derive(Clone, Copy)]
pub(crate) struct StageLimits {
    /// Paths that differ.
    pub(crate) files: usize,
    /// Bytes of one file.
    pub(crate) bytes_per_file: u64,
}

/// Brings the index up to date. Answers what differs and was left out, by path with the reason; the index still holds
/// what it held before for these.
pub(crate) fn stage(git: &Git, root: &Root, limits: StageLimits) -> Result<BTreeMap<String, String>, ToolError> {
    let listing = git.run(
        &["ls-files", "-z", "--modified", "--deleted", "--others", "--exclude-standard", "--deduplicate"],
        b"",
        256 << 20,
    )?;
    if listing.code != Some(0) || listing.cut {
        return Err(listing.failure(&["ls-files"]));
    }
    let mut left_out = unreadable_directories(&listing.stderr);
    let (mut wanted, mut gone) = (Vec::new(), Vec::new());
    let candidates: BTreeSet<&[u8]> = listing.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty()).collect();
    for path in candidates {
        let Ok(path) = str::from_utf8(path) else {
            left_out.insert(String::from_utf8_lossy(path).into_owned(), "its name is not UTF-8".to_owned());
            continue;
        };
        match judge(root, path, limits, wanted.len() + gone.len()) {
            Verdict::Stage => wanted.push(path),
            Verdict::Gone => gone.push(path),
            Verdict::LeaveOut(reason) => {
                left_out.insert(path.trim_end_matches('/').to_owned(), reason);
            }
        }
    }
    if !gone.is_empty() {
        git.output(&["update-index", "-z", "--force-remove", "--stdin"], &joined(&gone))?;
    }
    let mut attempts = 0;
    update(git, &wanted, &mut attempts, &mut left_out)?;
    Ok(left_out)
}

enum Verdict {
    Stage,
    Gone,
    LeaveOut(String),
}

fn judge(root: &Root, path: &str, limits: StageLimits, taken: usize) -> Verdict {
    if path.ends_with('/') {
        return Verdict::LeaveOut("it is a git repository of its own".to_owned());
    }
    let Ok(relative) = RelativePath::exact(path) else {
        return Verdict::LeaveOut("its name is not allowed in a repository".to_owned());
    };
    if taken >= limits.files {
        return Verdict::LeaveOut(format!("more than {} files differ", limits.files));
    }
    match root.locate_exact(&relative) {
        Ok(located) => match located.found {
            Found::File(stat) if u64::try_from(stat.st_size).unwrap_or_default() > limits.bytes_per_file => {
                Verdict::LeaveOut(format!("it has {} bytes, the limit is {}", stat.st_size, limits.bytes_per_file))
            }
            Found::Nothing => Verdict::Gone,
            Found::File(_) | Found::Link | Found::Directory => Verdict::Stage,
            Found::Other => Verdict::LeaveOut("it is a device, a socket or a pipe".to_owned()),
        },
        // A directory on the way is a link or a file now: what was below it is gone.
        Err(ToolError::LinkRefused { .. } | ToolError::WrongType { .. }) => Verdict::Gone,
        Err(error) => Verdict::LeaveOut(error.to_string()),
    }
}

/// Hands paths to git. It takes all or none of a list, so one that it refuses is found by halving.
fn update(
    git: &Git,
    paths: &[&str],
    attempts: &mut usize,
    left_out: &mut BTreeMap<String, String>,
) -> Result<(), ToolError> {
    if paths.is_empty() {
        return Ok(());
    }
    *attempts += 1;
    let output =
        git.run(&["update-index", "-z", "--add", "--remove", "--replace", "--stdin"], &joined(paths), 1 << 20)?;
    if output.code == Some(0) {
        return Ok(());
    }
    if let [path] = paths {
        left_out.insert((*path).to_owned(), format!("git cannot take it: {}", output.complaint()));
        return Ok(());
    }
    if *attempts >= MAX_ATTEMPTS {
        return Err(output.failure(&["update-index"]));
    }
    let (first, second) = paths.split_at(paths.len() / 2);
    update(git, first, attempts, left_out)?;
    update(git, second, attempts, left_out)
}

fn joined(paths: &[&str]) -> Vec<u8> {
    let mut bytes = paths.join("\0").into_bytes();
    bytes.push(0);
    bytes
}

/// Git lists what it can and warns of directories that it cannot open.
fn unreadable_directories(stderr: &[u8]) -> BTreeMap<String, String> {
    String::from_utf8_lossy(stderr)
        .lines()
        .filter_map(|line| line.strip_prefix("warning: could not open directory '")?.rsplit_once("': "))
        .map(|(path, reason)| {
            (path.trim_end_matches('/').to_owned(), format!("the directory cannot be opened: {reason}"))
        })
        .collect()
}

/// The paths left out, with their reasons, sorted.
pub(crate) fn skipped(left_out: BTreeMap<String, String>) -> Vec<Skipped> {
    left_out.into_iter().map(|(path, reason)| Skipped { path, reason }).collect()
}

/// Whether a path, or a directory above it, was left out.
pub(crate) fn is_left_out(left_out: &BTreeMap<String, String>, path: &str) -> bool {
    Path::new(path).ancestors().filter_map(Path::to_str).any(|ancestor| left_out.contains_key(ancestor))
}
