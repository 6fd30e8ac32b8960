//! Files: where they are, how long they are, what must not stand in them.

use std::collections::BTreeSet;

use super::{repository_files, top};

/// Lines of a source file without its tests.
const MAX_LINES: usize = 500;

/// What may stand at the top.
const TOP: &[&str] = &[
    ".ci",
    ".env.example",
    ".github",
    ".gitignore",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "clippy.toml",
    "deny.toml",
    "docs",
    "functions",
    "infra",
    "rustfmt.toml",
    "shared",
    "template.yaml",
    "tests",
];

fn read(file: &str) -> String {
    std::fs::read_to_string(top().join(file)).unwrap_or_default()
}

fn is_source(file: &str) -> bool {
    file.ends_with(".rs") && !file.contains("fixtures")
}

#[test]
fn nothing_stands_at_the_top_that_has_a_room_elsewhere() {
    let known: BTreeSet<&str> = TOP.iter().copied().collect();
    for file in repository_files() {
        let first = file.split('/').next().unwrap();
        assert!(known.contains(first), "{file} has no place at the top");
    }
}

#[test]
fn no_source_file_is_longer_than_its_reader_likes() {
    for file in repository_files().into_iter().filter(|file| is_source(file)) {
        let text = read(&file);
        let without_tests = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines = without_tests.lines().count();
        assert!(lines <= MAX_LINES, "{file} has {lines} lines without its tests; at most {MAX_LINES}");
    }
}

#[test]
fn no_test_is_skipped_or_slept_through() {
    for file in repository_files().into_iter().filter(|file| is_source(file) && file != "tests/all/tidy/files.rs") {
        let text = read(&file);
        assert!(!text.contains("#[ignore"), "{file} skips a test");
        let tests = file.starts_with("tests/") || file.contains("/tests");
        assert!(!(tests && text.contains("thread::sleep(")), "{file} sleeps");
    }
}

#[test]
fn no_machine_and_no_registry_is_named() {
    let registry = ["index", "crates", "io"].join(".");
    for file in repository_files() {
        let lock_file = file.ends_with(".lock") || file.ends_with("package-lock.json");
        if lock_file || file == "tests/all/tidy/files.rs" || file.contains("fixtures") {
            continue;
        }
        let text = read(&file);
        for name in ["/work/", "/home/ubuntu/", registry.as_str()] {
            assert!(!text.contains(name), "{file} names {name}");
        }
        // Tests of escapes name the directory of the superuser as a place to escape to.
        let test = file.contains("tests/");
        assert!(test || !text.contains("/root/"), "{file} names /root/");
    }
}

#[test]
fn every_environment_variable_is_in_the_example_file_and_no_other() {
    let source = read("infra/local/src/settings/variables.rs");
    let constants = source.lines().filter_map(|line| line.trim().strip_prefix("pub const "));
    let read_by_us: BTreeSet<&str> =
        constants.filter(|line| line.contains(": &str = ")).filter_map(|line| line.split(':').next()).collect();
    let example = read(".env.example");
    let documented: BTreeSet<&str> = example
        .lines()
        .filter_map(|line| line.trim_start_matches(['#', ' ']).split_once('='))
        .map(|(name, _)| name)
        .filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
        .collect();
    assert_eq!(read_by_us, documented);
}

#[test]
fn every_crate_says_what_it_owns() {
    for file in repository_files().iter().filter(|file| file.ends_with("src/lib.rs")) {
        let readme = file.replace("src/lib.rs", "README.md");
        let text = read(&readme);
        for heading in ["## Owns", "## Does not", "## Invariants"] {
            assert!(text.contains(heading), "{readme} has no {heading:?}");
        }
        assert!(
            read(file).starts_with("#![doc = include_str!(\"../README.md\")]"),
            "{file} does not begin with its README"
        );
    }
}
