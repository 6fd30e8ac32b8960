//! What no compiler checks: who imports whom, how long files are, that the words in different places are the same ones.

mod documents;
mod files;
mod imports;
mod tools;
mod workflow;

use std::path::{Path, PathBuf};
use std::process::Command;

/// The top of the repository.
pub(crate) fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every file that is part of the repository: tracked, or new and not ignored.
pub(crate) fn repository_files() -> Vec<String> {
    let listed = Command::new("git")
        .current_dir(top())
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .unwrap();
    assert!(listed.status.success(), "git ls-files failed");
    let names = String::from_utf8(listed.stdout).unwrap();
    let exists = |name: &&str| !name.is_empty() && top().join(name).is_file();
    names.split('\0').filter(exists).map(str::to_owned).collect()
}
