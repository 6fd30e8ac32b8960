//! What a command may leave in a workspace to make `collect` hang, run out of memory or read without end.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use toolbox::{Collect, Collected, Difference, Limits};

use crate::fixture::Fixture;

fn pipe(path: &Path) {
    let _ = fs::remove_file(path);
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn paths(collected: &Collected) -> Vec<&str> {
    collected.changes.iter().map(Difference::path).collect()
}

/// The reason why a path was left out.
fn reason<'a>(collected: &'a Collected, path: &str) -> &'a str {
    let found = collected.skipped.iter().find(|skipped| skipped.path == path);
    found.map(|skipped| skipped.reason.as_str()).unwrap_or_else(|| panic!("{path} is not in {:?}", collected.skipped))
}

#[test]
fn pipes_do_not_block() {
    let fixture = Fixture::cloned(&[("a", "1\n"), ("b", "1\n"), ("directory/c", "1\n"), (".gitignore", "*.tmp\n")]);
    fixture.collect();
    pipe(&fixture.path("a"));
    pipe(&fixture.path("untracked"));
    for directory in ["", "directory/", "new/"] {
        fs::create_dir_all(fixture.path(directory)).unwrap();
        pipe(&fixture.path(&format!("{directory}.gitignore")));
        pipe(&fixture.path(&format!("{directory}.gitattributes")));
        fixture.write(&format!("{directory}x.tmp"), "2\n");
    }
    fs::create_dir(fixture.path("nested")).unwrap();
    pipe(&fixture.path("nested/.git"));
    fixture.write("nested/y", "2\n");
    for record in ["observations", "observations.partial"] {
        pipe(&fixture.state().join(record));
    }
    let collected = fixture.collect();
    // A pipe has no rules.
    assert_eq!(paths(&collected), ["directory/x.tmp", "nested/y", "new/x.tmp", "x.tmp"]);
    assert_eq!(reason(&collected, "a"), "it is a device, a socket or a pipe");
    assert_eq!(reason(&collected, ".gitignore"), "it is a device, a socket or a pipe");
}

#[test]
fn large_files_are_not_read() {
    let fixture = Fixture::cloned(&[("base", "x\n"), (".gitignore", "")]);
    let sparse = |path: &str, bytes| File::create(fixture.path(path)).unwrap().set_len(bytes).unwrap();
    sparse("terabyte", 1 << 40);
    for number in 10..60 {
        sparse(&format!("sparse-{number}"), 900 << 10);
    }
    fixture.write("small", "x\n");
    sparse(".gitattributes", 2 << 20);
    sparse(".gitignore", 2 << 20);
    let limits = Limits { files: 100, bytes_per_file: 1 << 20, bytes_total: 1 << 20 };
    let collected = fixture.collect_with(Collect { written: Vec::new(), limits, ..Collect::default() });
    assert_eq!(paths(&collected), ["small", "sparse-10"]);
    assert!(reason(&collected, "terabyte").contains("1099511627776 bytes"));
    assert!(reason(&collected, "sparse-59").starts_with("all changes together"));
    assert!(reason(&collected, "the rules of .gitattributes").contains("2097152 bytes"));
    assert!(reason(&collected, ".gitignore").contains("bytes"));
}

#[test]
fn names_that_are_no_text_and_very_deep_directories_are_left_out() {
    let fixture = Fixture::cloned(&[("base", "x\n")]);
    fs::write(fixture.workspace().join(OsStr::from_bytes(b"\xff\xfe")), "x").unwrap();
    fs::create_dir_all(fixture.path(&["d"; 900].join("/"))).unwrap();
    fixture.write("d/d/file", "x\n");
    let collected = fixture.collect();
    assert_eq!(paths(&collected), ["d/d/file"]);
    assert_eq!(reason(&collected, "\u{fffd}\u{fffd}"), "its name is not UTF-8");
    assert!(collected.skipped.iter().any(|skipped| skipped.reason.contains("directories")), "{:?}", collected.skipped);
}

#[test]
fn of_very_many_files_the_first_are_collected_and_the_others_counted() {
    let fixture = Fixture::cloned(&[("base", "x\n"), ("base2", "x\n")]);
    for number in 0..3_000 {
        fixture.write(&format!("new/{}/{number:04}", number % 3), "x");
    }
    fs::remove_file(fixture.path("base")).unwrap();
    let collected = fixture.collect_with(Collect {
        written: Vec::new(),
        limits: Limits { files: 10, ..Limits::default() },
        known: vec![],
        unless: None,
    });
    assert_eq!(collected.changes.len(), 10);
    assert!(paths(&collected).contains(&"base"));
    assert_eq!(collected.skipped.len(), 1_000);
    assert_eq!(collected.skipped.len() + collected.skipped_more, 3_001 - 10);
}
