//! What no compiler checks: who imports whom, how long files are, that the words in different places are the same ones.

mod documents;
mod events;
mod files;
mod imports;
mod names;
mod one_file_per_tool;
mod seams;
mod wildcards;
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

/// Rust sources of the crates, without files that hold tests only.
pub(crate) fn sources() -> Vec<String> {
    let of_a_crate = |file: &String| {
        let parts: Vec<&str> = file.split('/').collect();
        ["shared", "infra"].contains(&parts[0]) && parts.get(2) == Some(&"src") && file.ends_with(".rs")
    };
    let tests = |file: &String| file.contains("/tests/") || file.ends_with("/tests.rs");
    repository_files().into_iter().filter(|file| of_a_crate(file) && !tests(file)).collect()
}

/// A source without the tests at its end.
pub(crate) fn code_of(file: &str) -> String {
    let text = std::fs::read_to_string(top().join(file)).unwrap();
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned()
}
