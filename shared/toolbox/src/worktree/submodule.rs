//! Recognizes git repositories inside the workspace, by looking at them from outside. Nothing of them is run.

use std::fs::File;
use std::io::Read;
use std::os::fd::{BorrowedFd, OwnedFd};

use bstr::ByteSlice;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, openat, statat};

/// Maximum size of the small files by which git marks a repository, in bytes.
const MAX_FILE_BYTES: u64 = 4_096;

/// Whether git takes a directory for a repository of its own: it has a git directory, or a file that names one.
pub(crate) fn is_repository(directory: BorrowedFd<'_>) -> bool {
    git_directory(directory).is_some()
}

/// The commit that is checked out in a submodule's directory, in hexadecimal; none when the directory is no repository, and
/// empty when its commit is not plain to see.
pub(crate) fn head(directory: BorrowedFd<'_>) -> Option<Vec<u8>> {
    let git = git_directory(directory)?;
    let head = read(&git, "HEAD").unwrap_or_default();
    let head = head.trim_end();
    let Some(branch) = head.strip_prefix(b"ref: ") else { return Some(head.to_vec()) };
    let is_plain = branch.starts_with(b"refs/") && !branch.contains_str(b"..");
    let commit = branch.to_str().ok().filter(|_| is_plain).and_then(|branch| read(&git, branch));
    Some(commit.unwrap_or_default().trim_end().to_vec())
}

fn git_directory(directory: BorrowedFd<'_>) -> Option<OwnedFd> {
    let stat = statat(directory, ".git", AtFlags::SYMLINK_NOFOLLOW).ok()?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let git = if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
        let content = read(directory, ".git")?;
        let target = content.strip_prefix(b"gitdir: ")?.trim_end();
        openat(if target.starts_with(b"/") { CWD } else { directory }, target, flags, Mode::empty()).ok()?
    } else {
        openat(directory, ".git", flags, Mode::empty()).ok()?
    };
    let has = |name: &str, kind| {
        statat(&git, name, AtFlags::empty()).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == kind)
    };
    let is_git =
        has("objects", FileType::Directory) && has("refs", FileType::Directory) && has("HEAD", FileType::RegularFile);
    is_git.then_some(git)
}

fn read(directory: impl std::os::fd::AsFd, name: &str) -> Option<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(directory, name, flags, Mode::empty()).ok()?);
    let mut content = Vec::new();
    let is_file = file.metadata().ok()?.is_file();
    file.take(MAX_FILE_BYTES).read_to_end(&mut content).ok().filter(|_| is_file)?;
    Some(content)
}
