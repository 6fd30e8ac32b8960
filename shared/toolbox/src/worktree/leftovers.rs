//! Recognizes what commands leave behind: dependency folders, caches, build output, logs, core files. None of it is part of a change,
//! unless a tool wrote it by name or the base commit has files there.
//!
//! A name that people also give to folders of their own, such as `build`, counts only with evidence: a file inside it, or a manifest
//! beside it of the tool that makes it.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, statat};

/// Folders that only tools make.
const FOLDERS: &[(&str, &str)] = &[
    (".dart_tool", CACHE),
    (".eggs", DEPENDENCIES),
    (".gradle", CACHE),
    (".hypothesis", CACHE),
    (".ipynb_checkpoints", CACHE),
    (".mypy_cache", CACHE),
    (".next", BUILD),
    (".nox", CACHE),
    (".nuxt", BUILD),
    (".nyc_output", REPORT),
    (".parcel-cache", CACHE),
    (".pytest_cache", CACHE),
    (".ruff_cache", CACHE),
    (".stack-work", BUILD),
    (".svelte-kit", BUILD),
    (".terraform", DEPENDENCIES),
    (".tox", CACHE),
    (".turbo", CACHE),
    ("__pycache__", CACHE),
    ("htmlcov", REPORT),
    ("node_modules", DEPENDENCIES),
];

/// Folders with a file inside that only a tool writes; an empty name stands for any folder.
const WITH_FILE: &[(&str, &str, &str)] = &[
    ("", "pyvenv.cfg", DEPENDENCIES),
    ("build", "CMakeCache.txt", BUILD),
    ("coverage", "coverage-final.json", REPORT),
    ("coverage", "lcov.info", REPORT),
    ("vendor", "autoload.php", DEPENDENCIES),
];

/// Folders beside a manifest of the tool that makes them.
const BESIDE: &[(&str, &[&str], &str)] = &[
    (".build", &["Package.swift"], BUILD),
    (".output", &["package.json"], BUILD),
    ("_build", &["mix.exs"], BUILD),
    ("build", &["build.gradle", "build.gradle.kts", "package.json", "pyproject.toml", "setup.cfg", "setup.py"], BUILD),
    ("coverage", &["package.json"], REPORT),
    ("deps", &["mix.exs"], DEPENDENCIES),
    ("dist", &["package.json", "pyproject.toml", "setup.cfg", "setup.py"], BUILD),
    ("out", &["package.json"], BUILD),
    ("target", &["Cargo.toml", "build.sbt", "pom.xml"], BUILD),
];

/// Folders beside a manifest that is known by its ending.
const BESIDE_ENDING: &[(&str, &[&str])] = &[("bin", &[".csproj", ".fsproj"]), ("obj", &[".csproj", ".fsproj"])];

const FILES: &[(&str, &str)] = &[
    (".DS_Store", "a file of the system"),
    (".coverage", REPORT),
    ("Thumbs.db", "a file of the system"),
    ("desktop.ini", "a file of the system"),
];

const ENDINGS: &[(&str, &str)] =
    &[(".class", BUILD), (".log", LOG), (".o", BUILD), (".pyc", CACHE), (".pyo", CACHE), (".tsbuildinfo", CACHE)];

const BUILD: &str = "build output";
const CACHE: &str = "a cache";
const DEPENDENCIES: &str = "installed dependencies";
const LOG: &str = "a log";
const REPORT: &str = "a report";

/// The first line of a file by which programs mark their caches (the Cache Directory Tagging Specification).
const CACHE_TAG: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// What a folder that the base commit does not have is, if a command left it.
pub(crate) fn folder(parent: BorrowedFd<'_>, name: &[u8], folder: BorrowedFd<'_>) -> Option<&'static str> {
    let name = str::from_utf8(name).ok()?;
    if let Some((_, what)) = FOLDERS.iter().find(|(known, _)| *known == name) {
        return Some(what);
    }
    if name.ends_with(".egg-info") {
        return Some(BUILD);
    }
    let with_file = WITH_FILE.iter().find(|(known, file, _)| (known.is_empty() || *known == name) && has(folder, file));
    if let Some((_, _, what)) = with_file {
        return Some(what);
    }
    if starts_with(folder, "CACHEDIR.TAG", CACHE_TAG) {
        return Some(CACHE);
    }
    let beside =
        BESIDE.iter().find(|(known, manifests, _)| *known == name && manifests.iter().any(|file| has(parent, file)));
    if let Some((_, _, what)) = beside {
        return Some(what);
    }
    if name == "bundle" && has(parent, "../Gemfile") && has(folder, "ruby") {
        return Some(DEPENDENCIES);
    }
    let endings = BESIDE_ENDING.iter().find(|(known, _)| *known == name).map(|(_, endings)| *endings)?;
    has_with_ending(parent, endings).then_some(BUILD)
}

/// What a file that the base commit does not have is, if a command left it.
pub(crate) fn file(parent: BorrowedFd<'_>, name: &[u8]) -> Option<&'static str> {
    let text = str::from_utf8(name).ok()?;
    if let Some((_, what)) = FILES.iter().find(|(known, _)| *known == text) {
        return Some(what);
    }
    if let Some((_, what)) = ENDINGS.iter().find(|(ending, _)| text.len() > ending.len() && text.ends_with(ending)) {
        return Some(what);
    }
    // `npm-debug.log.1234`, `core.1234`.
    let (stem, number) = text.rsplit_once('.').unwrap_or((text, "0"));
    let is_numbered = number.bytes().all(|byte| byte.is_ascii_digit());
    if is_numbered && stem.ends_with(".log") {
        return Some(LOG);
    }
    (is_numbered && matches!(stem, "core" | "vgcore") && is_core(parent, text)).then_some("a core file")
}

fn has(directory: BorrowedFd<'_>, name: &str) -> bool {
    statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
}

fn has_with_ending(directory: BorrowedFd<'_>, endings: &[&str]) -> bool {
    let Ok(entries) = Dir::read_from(directory) else { return false };
    entries.filter_map(Result::ok).any(|entry| {
        let name = entry.file_name().to_bytes();
        endings.iter().any(|ending| name.ends_with(ending.as_bytes()))
    })
}

fn starts_with(directory: BorrowedFd<'_>, name: &str, beginning: &[u8]) -> bool {
    head(directory, name, beginning.len()).is_some_and(|content| content == beginning)
}

/// An ELF file of the type core: its magic number, and 4 in the 17th byte or, where the most significant byte comes first, the 18th.
fn is_core(directory: BorrowedFd<'_>, name: &str) -> bool {
    head(directory, name, 18)
        .is_some_and(|content| content.starts_with(b"\x7fELF") && matches!(content[16..], [4, 0] | [0, 4]))
}

/// The first bytes of a regular file, if it has as many.
fn head(directory: BorrowedFd<'_>, name: &str, bytes: usize) -> Option<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(directory.as_fd(), name, flags, Mode::empty()).ok()?);
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut content = Vec::with_capacity(bytes);
    file.take(bytes as u64).read_to_end(&mut content).ok()?;
    (content.len() == bytes).then_some(content)
}
