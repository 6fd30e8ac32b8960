//! Checkpoints, as they leave the sandbox and are stored.

use std::fs;

use crate::support::{Home, bash, ends, git, repository, script};

#[test]
fn a_workspace_that_cannot_be_read_is_published_as_it_was_before() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let turns = [bash("echo two >> a.txt"), bash("echo three >> a.txt; chmod 000 ."), ends()];
    let run = home.code(&checkout, "Do it.", &script(&turns), &[]).expect_code(0);
    assert_eq!(run.of_kind("workspace.checkpoint_failed").len(), 1);
    assert_eq!(run.of_kind("tool.result").len(), 2, "the call itself has its result");
    let opened = run.of_kind("pr.opened").pop().unwrap();
    assert!(opened["draft"].as_str().unwrap().contains("the workspace could not be read"), "{opened}");
    assert_eq!(run.branch().file("a.txt"), "one\ntwo");
}

#[test]
fn an_unreadable_workspace_without_a_checkpoint_has_its_own_code() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let run = home.code(&checkout, "Do it.", &script(&[bash("chmod 000 ."), ends()]), &[]);
    assert_eq!(run.final_status(), "failed", "{}", run.stdout);
    assert!(run.stdout.contains("WorkspaceUnreadable") && !run.stdout.contains("Internal"), "{}", run.stdout);
}

#[test]
fn a_content_is_stored_once_however_often_files_around_it_change() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let large = "seq 20000 > large.txt; cp large.txt twin.txt";
    let turns = [bash(large), bash("echo 1 >> a.txt"), bash("echo 2 >> a.txt; mv twin.txt moved.txt"), ends()];
    let run = home.code(&checkout, "Do it.", &script(&turns), &[]).expect_code(0);
    assert_eq!(run.of_kind("workspace.checkpoint").len(), 3);
    let blobs = home.beside("data").join("blobs").join(run.session());
    let sizes = fs::read_dir(blobs).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
    assert_eq!(sizes.filter(|bytes| *bytes > 100_000).count(), 1);
    let branch = run.branch();
    let tree = git(&branch.repository, &["ls-tree", "--name-only", &branch.name]);
    assert_eq!(tree, "a.txt\nlarge.txt\nmoved.txt");
    assert_eq!(branch.file("moved.txt"), branch.file("large.txt"));
}

#[test]
fn a_content_that_no_checkpoint_names_any_more_is_deleted() {
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "one\n")]);
    let write = |first: u32| bash(&format!("seq {first} {} > large.txt", first + 20_000));
    let turns = [write(1), write(2), write(3), write(1), write(4), ends()];
    let run = home.code(&checkout, "Do it.", &script(&turns), &[]).expect_code(0);
    assert_eq!(run.of_kind("workspace.checkpoint").len(), 5);
    let blobs = home.beside("data").join("blobs").join(run.session());
    let sizes = fs::read_dir(blobs).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
    // The latest, and the one before it, which is deleted when the next one is taken.
    assert_eq!(sizes.filter(|bytes| *bytes > 100_000).count(), 2);
    assert_eq!(run.branch().file("large.txt").lines().next(), Some("4"));
}
