//! Copies the git directory of a fresh checkout, with hard links where possible.

use std::fs;
use std::io;
use std::path::Path;

/// The configuration of the copy: what git needs to know about the repository, and nothing that runs a program.
const CONFIGURATION: &str = include_str!("base.config");

/// Copies what git needs to read the objects of `from`.
pub(crate) fn copy(from: &Path, to: &Path, object_format: &str) -> io::Result<()> {
    fs::create_dir_all(to.join("refs/heads"))?;
    link_tree(&from.join("objects"), &to.join("objects"))?;
    resolve_alternates(from, to)?;
    match fs::copy(from.join("shallow"), to.join("shallow")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(_) | Err(_) => {}
    }
    let mut configuration = CONFIGURATION.to_owned();
    if object_format != "sha1" {
        configuration.push_str(&format!("[extensions]\n\tobjectFormat = {object_format}\n"));
    }
    fs::write(to.join("config"), configuration)
}

/// Hard-links every file of a directory into another, or copies it where that fails, as on another file system.
fn link_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let file_type = entry.file_type()?;
        if file_type.is_dir() {
            link_tree(&source, &target)?;
        } else if file_type.is_file() && fs::hard_link(&source, &target).is_err() {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

/// Makes the paths of `alternates`, repositories from which a clone borrows objects, absolute: they may be relative to the
/// original's `objects`. The file is removed first, because writing through the hard link would change the original.
fn resolve_alternates(from: &Path, to: &Path) -> io::Result<()> {
    let list = match fs::read_to_string(from.join("objects/info/alternates")) {
        Ok(list) => list,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut absolute = String::new();
    for line in list.lines() {
        let path = fs::canonicalize(from.join("objects").join(line))?;
        absolute.push_str(&format!("{}\n", path.display()));
    }
    fs::remove_file(to.join("objects/info/alternates"))?;
    fs::write(to.join("objects/info/alternates"), absolute)
}
