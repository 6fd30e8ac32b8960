//! Git repositories that sessions work on, and the branches they publish.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::Home;

/// Runs git with a fixed identity and without the machine's configuration. Returns its output, trimmed.
pub(crate) fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(["-c", "user.name=Test", "-c", "user.email=test@example.invalid", "-c", "safe.directory=*"])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "git {arguments:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A repository with one commit of the given files; with no commit when there are none.
pub(crate) fn repository(home: &Home, name: &str, files: &[(&str, &str)]) -> PathBuf {
    let directory = home.beside(name);
    std::fs::create_dir_all(&directory).unwrap();
    for (path, content) in files {
        let path = directory.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    if files.is_empty() {
        git(&directory, &["init", "--quiet", "--initial-branch=main"]);
    } else {
        commit_as_repository(&directory);
    }
    directory
}

/// A copy of a fixture as a repository with one commit.
pub(crate) fn fixture(home: &Home, name: &str) -> PathBuf {
    let to = home.beside(name);
    copy_directory(&Path::new("fixtures/repositories").join(name), &to);
    commit_as_repository(&to);
    to
}

/// Makes a directory a repository with one commit of what is in it.
fn commit_as_repository(directory: &Path) {
    git(directory, &["init", "--quiet", "--initial-branch=main"]);
    git(directory, &["add", "--all"]);
    git(directory, &["commit", "--quiet", "--message=Begin"]);
}

/// Copies a directory with everything below it.
pub(crate) fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The content of every file below a directory, by path, `.git` included.
pub(crate) fn contents(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    fn gather(top: &Path, directory: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                gather(top, &path, found);
            } else {
                let name = path.strip_prefix(top).unwrap().display().to_string();
                found.insert(name, std::fs::read(&path).unwrap_or_default());
            }
        }
    }
    let mut found = BTreeMap::new();
    gather(directory, directory, &mut found);
    found
}

/// A branch that a run published in the forge's repository.
pub(crate) struct PublishedBranch {
    pub(crate) repository: PathBuf,
    pub(crate) name: String,
}

impl PublishedBranch {
    /// The branch that a `branch.published` event names.
    pub(crate) fn of(event: &Value) -> Self {
        let url = event["url"].as_str().unwrap();
        let path = url.strip_prefix("file://").unwrap_or_else(|| panic!("{url} is not a local repository"));
        Self { repository: path.into(), name: event["branch"].as_str().unwrap().to_owned() }
    }

    /// The content of a file on the branch, trimmed.
    pub(crate) fn file(&self, path: &str) -> String {
        git(&self.repository, &["show", &format!("{}:{path}", self.name)])
    }

    /// How many commits the branch has.
    /// The paths of all its files.
    pub(crate) fn files(&self) -> Vec<String> {
        git(&self.repository, &["ls-tree", "-r", "--name-only", &self.name]).lines().map(str::to_owned).collect()
    }

    pub(crate) fn commits(&self) -> String {
        git(&self.repository, &["rev-list", "--count", &self.name])
    }
}
