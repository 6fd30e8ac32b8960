use std::fs;
use std::process::Command;

use toolbox::{Answer, Call, Change, Collect, Content, Difference, ErrorKind, Instruction, Instructions, Limits, Mode};

use crate::fixture::{Fixture, answer, changes, git, kind, sha256};

fn paths(changes: &[Difference]) -> Vec<&str> {
    changes.iter().map(Difference::path).collect()
}

#[test]
fn the_base_does_not_depend_on_the_workspaces_git_directory() {
    let fixture = Fixture::cloned(&[("a", "1\n"), ("b", "2\n")]);
    let before = fixture.baseline();
    fixture.write("a", "changed\n");
    fs::remove_dir_all(fixture.path(".git")).unwrap();
    git(&fixture.workspace(), &["init", "-q"]);
    git(&fixture.workspace(), &["config", "core.hooksPath", "/tmp"]);
    git(&fixture.workspace(), &["add", "-A"]);
    git(&fixture.workspace(), &["commit", "-q", "-m", "mine"]);
    assert_eq!(fixture.baseline(), before);
    assert_eq!((before.branch.as_deref(), before.files), (Some("main"), 2));
    let collected = fixture.collect();
    assert_eq!(changes(&collected), [Change::write("a", Mode::Regular, b"changed\n".to_vec())]);
}

#[test]
fn an_empty_repository_has_a_base_without_a_commit() {
    let fixture = Fixture::bare();
    git(&fixture.workspace(), &["init", "-q", "-b", "trunk"]);
    let base = fixture.baseline();
    assert_eq!((base.commit, base.branch.as_deref(), base.files), (None, Some("trunk"), 0));
    fixture.write("new", "x\n");
    assert_eq!(paths(&fixture.collect().changes), ["new"]);
}

#[test]
fn without_a_base_nothing_can_be_collected() {
    let fixture = Fixture::bare();
    assert_eq!(kind(fixture.call(Call::Collect(Collect::default()))), ErrorKind::NoBase);
    assert_eq!(kind(fixture.call(Call::Baseline(toolbox::Baseline {}))), ErrorKind::NoBase);
}

#[test]
fn instructions_come_from_the_base_and_not_from_the_workspace() {
    let fixture = Fixture::bare();
    let origin = fixture.origin();
    fs::create_dir_all(origin.join("api/inner")).unwrap();
    git(&origin, &["init", "-q", "-b", "main"]);
    fs::write(origin.join("CLAUDE.md"), "root\n").unwrap();
    fs::write(origin.join("api/AGENTS.md"), "line\n".repeat(1_001)).unwrap();
    fs::write(origin.join("api/CLAUDE.md"), "not this\n").unwrap();
    std::os::unix::fs::symlink("../../CLAUDE.md", origin.join("api/inner/AGENTS.md")).unwrap();
    fs::create_dir(origin.join("out")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", origin.join("out/AGENTS.md")).unwrap();
    git(&origin, &["add", "-A"]);
    git(&origin, &["commit", "-q", "-m", "base"]);
    git(origin.parent().unwrap(), &["clone", "-q", "origin", "workspace"]);
    fixture.baseline();
    fixture.write("CLAUDE.md", "edited\n");
    fixture.write("AGENTS.md", "new\n");
    fs::remove_dir_all(fixture.path("api")).unwrap();

    let directories = [".", "api", "api/", "api/inner", "out", "none"].map(str::to_owned).to_vec();
    let read = answer!(fixture.call(Call::Instructions(Instructions { directories })), Answer::Instructions);
    let expected = |directory: &str, path: &str, text: String, cut| Instruction {
        directory: directory.to_owned(),
        path: path.to_owned(),
        text,
        cut,
    };
    assert_eq!(
        read.files,
        [
            expected(".", "CLAUDE.md", "root\n".to_owned(), false),
            expected("api", "api/AGENTS.md", "line\n".repeat(1_000), true),
            expected("api/inner", "api/inner/AGENTS.md", "root\n".to_owned(), false),
        ]
    );
}

#[test]
fn paths_that_a_changeset_cannot_contain_are_listed_with_the_reason() {
    let fixture = Fixture::cloned(&[(".gitignore", "ignored\n"), ("kept", "x\n"), ("grows", "small\n")]);
    for nested in ["nested", "unborn"] {
        fs::create_dir(fixture.path(nested)).unwrap();
        git(&fixture.path(nested), &["init", "-q"]);
        fixture.write(&format!("{nested}/file"), "x\n");
    }
    git(&fixture.path("nested"), &["add", "-A"]);
    git(&fixture.path("nested"), &["commit", "-q", "-m", "x"]);
    fixture.write("ignored", "x");
    fixture.write("ok/file", "x\n");
    fixture.write("git~1", "x\n");
    fixture.write("grows", "medium\n");
    assert_eq!(paths(&fixture.collect().changes), ["grows", "ok/file"]);
    fixture.write("grows", "x".repeat(101));
    let limits = Limits { files: 10, bytes_per_file: 100, bytes_total: 1_000 };
    let collected = fixture.collect_with(Collect { limits, ..Collect::default() });
    // The index still holds the earlier, smaller content of `grows`, which must not be collected instead.
    assert_eq!(paths(&collected.changes), ["ok/file"]);
    let skipped: Vec<&str> = collected.skipped.iter().map(|skipped| skipped.path.as_str()).collect();
    assert_eq!(skipped, ["git~1", "grows", "nested", "unborn"]);
    assert!(collected.skipped[1].reason.contains("101 bytes"), "{:?}", collected.skipped);
}

#[test]
fn paths_above_the_limits_are_left_out_and_listed() {
    let fixture = Fixture::cloned(&[("base", "x\n")]);
    for name in ["a", "b", "c", "d"] {
        fixture.write(name, name.repeat(10));
    }
    let collect = |limits| {
        let collected = fixture.collect_with(Collect { limits, ..Collect::default() });
        (collected.changes.len(), collected.skipped.len())
    };
    assert_eq!(collect(Limits { files: 3, ..Limits::default() }), (3, 1));
    assert_eq!(collect(Limits::default()), (4, 0));
    assert_eq!(collect(Limits { files: 3, ..Limits::default() }), (3, 1));
    assert_eq!(collect(Limits { bytes_total: 25, ..Limits::default() }), (2, 2));
}

#[test]
fn an_unchanged_changeset_is_not_sent_again() {
    let fixture = Fixture::cloned(&[("a", "1\n")]);
    fixture.write("b", "2\n");
    let first = fixture.collect();
    let again = |unless: &str| fixture.collect_with(Collect { unless: Some(unless.to_owned()), ..Collect::default() });
    assert!(again(&first.mark).unchanged && again(&first.mark).changes.is_empty());
    assert_eq!(first.digest, toolbox::digest(&first.changes));
    fixture.set_mode("b", 0o755);
    let second = again(&first.mark);
    assert!(!second.unchanged && second.digest != first.digest);
    fixture.nested_repository("inner");
    let third = again(&second.mark);
    assert!(!third.unchanged && third.digest == second.digest, "something is left out that was not");
}

#[test]
fn a_content_that_the_caller_has_is_not_sent_again() {
    let fixture = Fixture::cloned(&[("a", "1\n")]);
    fixture.write("b", "2\n");
    fixture.write("c", "2\n");
    fixture.write("d", "3\n");
    fixture.link("link", "b");
    let known = vec![sha256(b"2\n"), sha256(b"b"), "no hash".to_owned()];
    let sent = |known: &[String]| {
        let collected = fixture.collect_with(Collect { known: known.to_vec(), ..Collect::default() });
        assert_eq!(paths(&collected.changes), ["b", "c", "d", "link"]);
        let mut contents: Vec<Vec<u8>> = collected.contents.into_iter().map(|Content(content)| content).collect();
        contents.sort();
        contents
    };
    assert_eq!(sent(&[]), [b"2\n".as_slice(), b"3\n", b"b"], "each content once");
    // The caller judges the target of a link by its text, so it always gets it.
    assert_eq!(sent(&known), [b"3\n".as_slice(), b"b"]);
    assert_eq!(sent(&[]), [b"2\n".as_slice(), b"3\n", b"b"], "also those that an earlier answer left out");
}

#[test]
fn a_change_has_the_content_that_git_would_store() {
    let fixture = Fixture::cloned(&[(".gitattributes", "*.txt text eol=crlf\n*.bin diff=evil\n"), ("a.txt", "1\n")]);
    assert_eq!(fixture.read("a.txt"), b"1\r\n");
    assert!(fixture.collect().changes.is_empty());
    fixture.write("a.txt", "1\r\n2\r\n");
    fixture.write("b.bin", "x\r\n");
    assert_eq!(
        changes(&fixture.collect()),
        [
            Change::write("a.txt", Mode::Regular, b"1\n2\n".to_vec()),
            Change::write("b.bin", Mode::Regular, b"x\r\n".to_vec()),
        ]
    );
}

#[test]
fn in_an_ignored_directory_only_the_files_of_the_base_count() {
    let fixture = Fixture::cloned(&[(".gitignore", "build/\n"), ("build/kept", "1\n"), ("build/sub/kept", "1\n")]);
    for path in ["build/kept", "build/sub/kept", "build/new", "build/sub/new", "build/other/new"] {
        fixture.write(path, "2\n");
    }
    assert_eq!(paths(&fixture.collect().changes), ["build/kept", "build/sub/kept"]);
}

#[test]
fn a_file_committed_with_crlf_keeps_it_where_text_is_automatic() {
    let fixture = Fixture::cloned(&[("old.txt", "1\r\n")]);
    fixture.write(".gitattributes", "*.txt text=auto\n");
    fixture.write("old.txt", "1\r\n2\r\n");
    fixture.write("new.txt", "1\r\n");
    let changes = changes(&fixture.collect());
    let content = |path: &str, content: &str| Change::write(path, Mode::Regular, content.as_bytes().to_vec());
    assert_eq!(changes[1..], [content("new.txt", "1\n"), content("old.txt", "1\r\n2\r\n")]);
}

#[test]
fn new_attributes_count_for_a_file_that_was_collected_before() {
    let fixture = Fixture::cloned(&[("base", "1\n")]);
    fixture.write("new.txt", "1\r\n");
    // So old that what was read of it counts until the attributes change.
    let touched = Command::new("touch").args(["-d", "@1000000000"]).arg(fixture.path("new.txt")).status().unwrap();
    assert!(touched.success());
    let known: Vec<String> = [b"1\r\n".as_slice(), b"1\n"].map(sha256).to_vec();
    let hash = || match fixture.collect_with(Collect { known: known.clone(), ..Collect::default() }).changes.pop() {
        Some(Difference::Write { sha256, .. }) => sha256,
        other => panic!("{other:?}"),
    };
    assert_eq!(hash(), known[0]);
    fixture.write(".gitattributes", "*.txt text\n");
    assert_eq!(hash(), known[1]);
    fixture.write(".gitattributes", "*.txt -text\n");
    assert_eq!(hash(), known[0]);
}

#[test]
fn a_file_that_git_refuses_does_not_block_the_others() {
    let fixture = Fixture::cloned(&[(".gitattributes", "*.utf16 working-tree-encoding=UTF-16\n")]);
    for number in 0..9 {
        fixture.write(&format!("file-{number}"), "x\n");
    }
    fixture.write("file-4.utf16", "not UTF-16\n");
    let collected = fixture.collect();
    assert_eq!(collected.changes.len(), 9);
    assert_eq!(collected.skipped.len(), 1);
    assert!(collected.skipped[0].reason.starts_with("git refuses it: a BOM is required"), "{:?}", collected.skipped);
}
