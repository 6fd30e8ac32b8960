use std::fs;

use toolbox::{Answer, Call, Change, Collect, Diff, ErrorKind, Instruction, Instructions, Limits, Mode};

use crate::room::{Room, answer, git, kind};

fn paths(changes: &[Change]) -> Vec<&str> {
    changes.iter().map(Change::path).collect()
}

#[test]
fn the_base_survives_whatever_is_done_to_the_workspaces_git_directory() {
    let room = Room::cloned(&[("a", "1\n"), ("b", "2\n")]);
    let before = room.baseline();
    room.write("a", "changed\n");
    fs::remove_dir_all(room.path(".git")).unwrap();
    git(&room.workspace(), &["init", "-q"]);
    git(&room.workspace(), &["config", "core.hooksPath", "/tmp"]);
    git(&room.workspace(), &["add", "-A"]);
    git(&room.workspace(), &["commit", "-q", "-m", "mine"]);
    assert_eq!(room.baseline(), before);
    assert_eq!((before.branch.as_deref(), before.files), (Some("main"), 2));
    let collected = room.collect();
    assert_eq!(collected.changes, [Change::write("a", Mode::Regular, b"changed\n".to_vec())]);
    assert_eq!((collected.additions, collected.deletions), (1, 1));
}

#[test]
fn an_empty_repository_has_a_base_without_a_commit() {
    let room = Room::bare();
    git(&room.workspace(), &["init", "-q", "-b", "trunk"]);
    let base = room.baseline();
    assert_eq!((base.commit, base.branch.as_deref(), base.files), (None, Some("trunk"), 0));
    room.write("new", "x\n");
    assert_eq!(paths(&room.collect().changes), ["new"]);
}

#[test]
fn without_a_base_nothing_can_be_collected() {
    let room = Room::bare();
    assert_eq!(kind(room.call(Call::Collect(Collect::default()))), ErrorKind::NoBase);
    assert_eq!(kind(room.call(Call::Baseline(toolbox::Baseline {}))), ErrorKind::NoBase);
}

#[test]
fn instructions_are_those_of_the_base_and_not_of_the_workspace() {
    let room = Room::bare();
    let origin = room.origin();
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
    room.baseline();
    room.write("CLAUDE.md", "edited\n");
    room.write("AGENTS.md", "new\n");
    fs::remove_dir_all(room.path("api")).unwrap();

    let directories = [".", "api", "api/", "api/inner", "out", "none"].map(str::to_owned).to_vec();
    let read = answer!(room.call(Call::Instructions(Instructions { directories })), Answer::Instructions);
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
fn what_cannot_be_in_a_changeset_is_named_with_the_reason() {
    let room = Room::cloned(&[(".gitignore", "ignored\n"), ("kept", "x\n"), ("grows", "small\n")]);
    for nested in ["nested", "unborn"] {
        fs::create_dir(room.path(nested)).unwrap();
        git(&room.path(nested), &["init", "-q"]);
        room.write(&format!("{nested}/file"), "x\n");
    }
    git(&room.path("nested"), &["add", "-A"]);
    git(&room.path("nested"), &["commit", "-q", "-m", "x"]);
    room.write("ignored", "x");
    room.write("ok/file", "x\n");
    room.write("git~1", "x\n");
    room.write("grows", "medium\n");
    assert_eq!(paths(&room.collect().changes), ["grows", "ok/file"]);
    room.write("grows", "x".repeat(101));
    let limits = Limits { files: 10, bytes_per_file: 100, bytes_total: 1_000 };
    let collected = answer!(room.call(Call::Collect(Collect { limits, unless: None })), Answer::Collect);
    // What was small enough a moment ago must not be taken for what the file is now.
    assert_eq!(paths(&collected.changes), ["ok/file"]);
    let skipped: Vec<&str> = collected.skipped.iter().map(|skipped| skipped.path.as_str()).collect();
    assert_eq!(skipped, ["git~1", "grows", "nested", "unborn"]);
    assert!(collected.skipped[1].reason.contains("101 bytes"), "{:?}", collected.skipped);
}

#[test]
fn limits_of_number_and_size_leave_the_rest_out_by_name() {
    let room = Room::cloned(&[("base", "x\n")]);
    for name in ["a", "b", "c", "d"] {
        room.write(name, name.repeat(10));
    }
    let collect = |limits| {
        let collected = answer!(room.call(Call::Collect(Collect { limits, unless: None })), Answer::Collect);
        (collected.changes.len(), collected.skipped.len())
    };
    assert_eq!(collect(Limits { files: 3, ..Limits::default() }), (3, 1));
    assert_eq!(collect(Limits::default()), (4, 0));
    assert_eq!(collect(Limits { files: 3, ..Limits::default() }), (3, 1));
    assert_eq!(collect(Limits { bytes_total: 25, ..Limits::default() }), (2, 2));
}

#[test]
fn a_changeset_that_is_still_the_same_is_not_sent_again() {
    let room = Room::cloned(&[("a", "1\n")]);
    room.write("b", "2\n");
    let first = room.collect();
    let again = |unless: &str| {
        let call = Collect { limits: Limits::default(), unless: Some(unless.to_owned()) };
        answer!(room.call(Call::Collect(call)), Answer::Collect)
    };
    assert!(again(&first.digest).unchanged && again(&first.digest).changes.is_empty());
    assert_eq!(first.digest, toolbox::digest(&first.changes));
    room.set_mode("b", 0o755);
    let second = again(&first.digest);
    assert!(!second.unchanged && second.digest != first.digest);
}

#[test]
fn content_is_what_git_would_store() {
    let room =
        Room::cloned(&[(".gitattributes", "*.txt text eol=crlf\n*.bin filter=evil diff=evil\n"), ("a.txt", "1\n")]);
    assert_eq!(room.read("a.txt"), b"1\r\n");
    assert!(room.collect().changes.is_empty());
    room.write("a.txt", "1\r\n2\r\n");
    room.write("b.bin", "x\r\n");
    let changes = room.collect().changes;
    assert_eq!(
        changes,
        [
            Change::write("a.txt", Mode::Regular, b"1\n2\n".to_vec()),
            Change::write("b.bin", Mode::Regular, b"x\r\n".to_vec()),
        ]
    );
}

#[test]
fn one_file_that_git_refuses_does_not_hold_up_the_others() {
    let room = Room::cloned(&[(".gitattributes", "*.utf16 working-tree-encoding=UTF-16\n")]);
    for number in 0..9 {
        room.write(&format!("file-{number}"), "x\n");
    }
    room.write("file-4.utf16", "not UTF-16\n");
    let collected = room.collect();
    assert_eq!(collected.changes.len(), 9);
    assert_eq!(collected.skipped.len(), 1);
    assert!(collected.skipped[0].reason.starts_with("git cannot take it: "), "{:?}", collected.skipped);
}

#[test]
fn the_diff_shows_new_files_and_says_when_it_is_cut() {
    let room = Room::cloned(&[("a", "1\n2\n"), ("moved", "1\n2\n3\n4\n5\n6\n")]);
    room.write("a", "1\nchanged\n");
    room.write("new é", "x\n");
    fs::rename(room.path("moved"), room.path("there")).unwrap();
    let call = |max_characters| answer!(room.call(Call::Diff(Diff { max_characters })), Answer::Diff);
    let diff = call(None);
    for part in ["-2\n+changed\n", "+++ b/new é", "rename to there"] {
        assert!(diff.diff.contains(part), "{}", diff.diff);
    }
    assert_eq!((diff.files, diff.additions, diff.deletions, diff.cut), (3, 2, 1, false));
    assert!(call(Some(20)).cut);
}
