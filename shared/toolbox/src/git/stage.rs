//! Brings the index of the pristine git directory up to date with the workspace.
//!
//! `git add -A` would do so in one call, but it hashes a file of any size, fails at a nested repository without a commit,
//! and leaves out what it cannot read with only a warning. Therefore git lists the paths that differ, the list is checked
//! here, and `git update-index` gets the paths that pass.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{Git, MAX_OUTPUT_BYTES};
use crate::change::Skipped;
use crate::error::ToolError;
use crate::files::path::RelativePath;
use crate::files::root::{Found, Root};

/// Maximum git processes for one staging, most of which search for the paths that git refuses.
const MAX_ATTEMPTS: usize = 64;

/// Maximum output of the listing, in bytes.
const MAX_LISTING_BYTES: u64 = 256 << 20;

/// What may enter the index.
#[derive(Clone, Copy)]
pub(crate) struct StageLimits {
    /// Maximum number of paths that differ.
    pub(crate) files: usize,
    /// Maximum size of one file.
    pub(crate) bytes_per_file: u64,
}

/// Brings the index up to date and returns the paths that differ but were left out, each with the reason. For these the
/// index keeps its previous entry.
pub(crate) fn stage(git: &Git, root: &Root, limits: StageLimits) -> Result<BTreeMap<String, String>, ToolError> {
    let listing = git.run(
        &["ls-files", "-z", "--modified", "--deleted", "--others", "--exclude-standard", "--deduplicate"],
        b"",
        MAX_LISTING_BYTES,
    )?;
    if listing.code != Some(0) || listing.is_cut {
        return Err(listing.failure(&["ls-files"]));
    }
    let mut left_out = unreadable_directories(&listing.stderr);
    let (mut to_stage, mut to_remove) = (Vec::new(), Vec::new());
    let candidates: BTreeSet<&[u8]> = listing.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty()).collect();
    for path in candidates {
        let Ok(path) = str::from_utf8(path) else {
            left_out.insert(String::from_utf8_lossy(path).into_owned(), "its name is not UTF-8".to_owned());
            continue;
        };
        match decide(root, path, limits, to_stage.len() + to_remove.len()) {
            Decision::Stage => to_stage.push(path),
            Decision::Remove => to_remove.push(path),
            Decision::LeaveOut(reason) => {
                left_out.insert(path.trim_end_matches('/').to_owned(), reason);
            }
        }
    }
    if !to_remove.is_empty() {
        git.output(&["update-index", "-z", "--force-remove", "--stdin"], &joined(&to_remove))?;
    }
    let mut attempts = 0;
    update(git, &to_stage, &mut attempts, &mut left_out)?;
    Ok(left_out)
}

enum Decision {
    Stage,
    Remove,
    LeaveOut(String),
}

fn decide(root: &Root, path: &str, limits: StageLimits, accepted: usize) -> Decision {
    if path.ends_with('/') {
        return Decision::LeaveOut("it is a git repository of its own".to_owned());
    }
    let Ok(relative) = RelativePath::exact(path) else {
        return Decision::LeaveOut("its name is not allowed in a repository".to_owned());
    };
    if accepted >= limits.files {
        return Decision::LeaveOut(format!("more than {} files differ", limits.files));
    }
    match root.locate_exact(&relative) {
        Ok(located) => match located.found {
            Found::File(stat) if u64::try_from(stat.st_size).unwrap_or_default() > limits.bytes_per_file => {
                Decision::LeaveOut(format!("it has {} bytes, the limit is {}", stat.st_size, limits.bytes_per_file))
            }
            Found::Nothing => Decision::Remove,
            Found::File(_) | Found::Link | Found::Directory => Decision::Stage,
            Found::Other => Decision::LeaveOut("it is a device, a socket or a pipe".to_owned()),
        },
        // A directory of the path is now a link or a file, so the path below it no longer exists.
        Err(ToolError::LinkRefused { .. } | ToolError::WrongType { .. }) => Decision::Remove,
        Err(error) => Decision::LeaveOut(error.to_string()),
    }
}

/// Stages paths. Git takes either all paths of a call or none, so a path that it refuses is found by bisection.
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
    let output = git.run(
        &["update-index", "-z", "--add", "--remove", "--replace", "--stdin"],
        &joined(paths),
        MAX_OUTPUT_BYTES,
    )?;
    if output.code == Some(0) {
        return Ok(());
    }
    if let [path] = paths {
        left_out.insert((*path).to_owned(), format!("git refuses it: {}", output.error_line()));
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

/// The directories that git could not open. It warns about them and lists the rest.
fn unreadable_directories(stderr: &[u8]) -> BTreeMap<String, String> {
    String::from_utf8_lossy(stderr)
        .lines()
        .filter_map(|line| line.strip_prefix("warning: could not open directory '")?.rsplit_once("': "))
        .map(|(path, reason)| {
            (path.trim_end_matches('/').to_owned(), format!("the directory cannot be opened: {reason}"))
        })
        .collect()
}

/// The left-out paths, sorted.
pub(crate) fn skipped(left_out: BTreeMap<String, String>) -> Vec<Skipped> {
    left_out.into_iter().map(|(path, reason)| Skipped { path, reason }).collect()
}

/// Whether a path, or a directory above it, was left out.
pub(crate) fn is_left_out(left_out: &BTreeMap<String, String>, path: &str) -> bool {
    Path::new(path).ancestors().filter_map(Path::to_str).any(|ancestor| left_out.contains_key(ancestor))
}
