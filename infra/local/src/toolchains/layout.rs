//! What toolchains consist of.

use std::path::{Path, PathBuf};

use super::Toolchain;

/// Directories beside `bin` that programs in it may need, of Unix prefixes, Go, Java, Python environments. None of them is a place for
/// credentials.
const BESIDE_BIN: [&str; 22] = [
    "api",
    "conf",
    "go.env",
    "include",
    "jmods",
    "jre",
    "legal",
    "lib",
    "lib32",
    "lib64",
    "libexec",
    "misc",
    "pkg",
    "plugins",
    "pyvenv.cfg",
    "release",
    "share",
    "src",
    "test",
    "VERSION",
    "bin",
    "sbin",
];

/// What is there of these names.
pub(super) fn present(directory: &Path, names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(|name| directory.join(name)).filter(|path| path.exists()).collect()
}

/// A directory with `bin` and what its programs need.
pub(super) fn prefix(name: &str, directory: &Path) -> Option<Toolchain> {
    let bin = directory.join("bin");
    bin.is_dir().then(|| Toolchain {
        name: name.to_owned(),
        shown: present(directory, &BESIDE_BIN),
        path: vec![bin],
        variables: Vec::new(),
    })
}

/// The directories in a directory, by their names as versions, highest first.
pub(super) fn versions(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    found.sort_by_key(|path| std::cmp::Reverse(numbers(&name_of(path))));
    found
}

/// The version that a name asks for: itself, or the highest that begins with it.
pub(super) fn version(directory: &Path, wanted: &str) -> Option<PathBuf> {
    let wanted = wanted.trim().trim_start_matches('v');
    let versions = versions(directory);
    let is = |path: &&PathBuf| name_of(path).trim_start_matches('v') == wanted;
    let begins = |path: &&PathBuf| name_of(path).trim_start_matches('v').starts_with(&format!("{wanted}."));
    versions.iter().find(is).or_else(|| versions.iter().find(begins)).cloned()
}

/// The first word of a file.
pub(super) fn word(file: &Path) -> Option<String> {
    std::fs::read_to_string(file).ok()?.split_whitespace().next().map(str::to_owned)
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn numbers(name: &str) -> Vec<u64> {
    name.split(|character: char| !character.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}
