//! Makes the version of snapshots: a hash of this crate's sources.
//!
//! A snapshot holds what the crate made of a log. So whatever changes here, a field or the meaning of one, makes another version,
//! and snapshots of the one before are ignored. Nobody can forget to raise it.

use std::fs;
use std::hash::{DefaultHasher, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    let sources = Path::new("src");
    println!("cargo:rerun-if-changed={}", sources.display());
    println!("cargo:rustc-env=DOMAIN_SOURCES={:016x}", hash_of(sources)?);
    Ok(())
}

/// A hash of the names and contents of all files below a directory.
fn hash_of(directory: &Path) -> io::Result<u64> {
    let mut files = Vec::new();
    find_files(directory, &mut files)?;
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        hasher.write(file.as_os_str().as_encoded_bytes());
        hasher.write(&fs::read(&file)?);
    }
    Ok(hasher.finish())
}

fn find_files(directory: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            find_files(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}
