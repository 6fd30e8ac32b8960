use std::fs;

use toolbox::{Call, Change, ErrorKind, Glob, Mode, Restore};

use crate::room::{Room, grep, kind};

/// A room with a secret outside the workspace and links that lead there.
fn room() -> Room {
    let room = Room::bare();
    fs::write(room.state().with_file_name("secret"), "secret").unwrap();
    fs::create_dir(room.state().with_file_name("outside")).unwrap();
    fs::write(room.state().with_file_name("outside/secret"), "secret").unwrap();
    room.write("inside/file", "inside\n");
    room.write(".git/config", "[core]\n");
    room.write("sub/.GIT/config", "[core]\n");
    room.link("file-out", "../secret");
    room.link("file-out-absolute", room.state().with_file_name("secret"));
    room.link("directory-out", "../outside");
    room.link("proc", "/proc/self/root");
    room.link("loop", "loop");
    room.link("git", ".git");
    room.link("dangling-out", "../not-there");
    room.link("inside/up", "../..");
    room
}

const BAD: &[&str] = &[
    "../secret",
    "inside/../../secret",
    "/etc/passwd",
    "/proc/self/root/etc/passwd",
    "file-out",
    "file-out-absolute",
    "directory-out/secret",
    "proc/etc/passwd",
    "loop",
    "loop/x",
    "git/config",
    ".git/config",
    "./.git//config",
    "sub/.GIT/config",
    ".Git",
    ".git./config",
    "GIT~1/config",
    ".g\u{200c}it/config",
    "dangling-out",
    "inside/up/secret",
    "nul\0",
    "",
];

#[test]
fn no_path_of_a_model_leaves_the_workspace_or_enters_git() {
    let room = room();
    for path in BAD {
        assert_eq!(kind(room.view(path)), ErrorKind::Path, "view {path:?}");
        assert_eq!(kind(room.create(path, "x")), ErrorKind::Path, "create {path:?}");
        assert_eq!(kind(room.str_replace(path, "secret", "x")), ErrorKind::Path, "str_replace {path:?}");
        assert_eq!(kind(room.insert(path, 0, "x")), ErrorKind::Path, "insert {path:?}");
        let search = toolbox::Grep { path: Some((*path).to_owned()), ..grep("secret") };
        assert_eq!(kind(room.call(Call::Grep(search))), ErrorKind::Path, "grep {path:?}");
        let list = Glob { pattern: "**".to_owned(), path: Some((*path).to_owned()) };
        assert_eq!(kind(room.call(Call::Glob(list))), ErrorKind::Path, "glob {path:?}");
    }
    assert_eq!(fs::read(room.state().with_file_name("secret")).unwrap(), b"secret");
    assert!(!room.state().with_file_name("not-there").exists());
}

#[test]
fn a_path_whose_prefix_only_looks_like_the_workspace_is_outside() {
    let room = room();
    let beside = format!("{}-beside/x", room.workspace().display());
    assert_eq!(kind(room.create(&beside, "x")), ErrorKind::Path);
}

#[test]
fn links_that_stay_inside_are_edited_at_their_target() {
    let room = room();
    room.link("relative", "inside/file");
    room.link("absolute", room.path("inside/file"));
    room.link("directory", "inside");
    room.link("dangling", "inside/new/file");
    for (path, old, new) in [("relative", "inside", "1"), ("absolute", "1", "2"), ("directory/file", "2", "3")] {
        assert_eq!(room.str_replace(path, old, new).unwrap().path, "inside/file");
    }
    assert_eq!(room.read("inside/file"), b"3\n");
    assert!(fs::symlink_metadata(room.path("relative")).unwrap().is_symlink());
    assert_eq!(room.create("dangling", "x").unwrap().path, "inside/new/file");
    let absolute = room.path("inside/file").to_string_lossy().into_owned();
    assert_eq!(room.view(&absolute).unwrap().text, "     1\t3\n");
}

#[test]
fn kept_outputs_can_be_viewed_and_nothing_beside_them() {
    let room = room();
    fs::write(room.outputs().join("1.txt"), "output\n").unwrap();
    std::os::unix::fs::symlink("../secret", room.outputs().join("out")).unwrap();
    let path = |name: &str| room.outputs().join(name).to_string_lossy().into_owned();
    assert_eq!(room.view(&path("1.txt")).unwrap().text, "     1\toutput\n");
    assert_eq!(kind(room.view(&path("out"))), ErrorKind::Path);
    assert_eq!(kind(room.view(&path("../secret"))), ErrorKind::Path);
    assert_eq!(kind(room.create(&path("2.txt"), "x")), ErrorKind::Path);
}

#[test]
fn a_changeset_is_refused_whole_when_any_of_it_is_wrong() {
    let room = room();
    let good = Change::write("good", Mode::Regular, b"x".to_vec());
    let mut lying = Change::write("f", Mode::Regular, b"x".to_vec());
    if let Change::Write { content, .. } = &mut lying {
        content.push(b'y');
    }
    let mut bad: Vec<Vec<Change>> = BAD
        .iter()
        // Links are refused when they are on the way, and replaced when they are the path.
        .filter(|path| !matches!(**path, "file-out" | "file-out-absolute" | "loop" | "dangling-out"))
        .map(|path| vec![Change::write(*path, Mode::Regular, b"x".to_vec())])
        .collect();
    bad.push(vec![lying]);
    bad.push(vec![good.clone()]);
    bad.push(vec![Change::write("good/below", Mode::Regular, b"x".to_vec())]);
    bad.push(vec![Change::write("link", Mode::Symlink, Vec::new())]);
    bad.push(vec![Change::Delete { path: "a/./b".to_owned() }]);
    for mut changes in bad {
        changes.push(good.clone());
        let outcome = room.call(Call::Restore(Restore { changes: changes.clone() }));
        assert!(matches!(kind(outcome), ErrorKind::Path | ErrorKind::Invalid), "{changes:?}");
    }
    assert_eq!(fs::read(room.state().with_file_name("outside/secret")).unwrap(), b"secret");
    assert!(!room.path("good").exists());
}

#[test]
fn restoring_over_a_link_replaces_the_link() {
    let room = room();
    let changes = vec![Change::write("file-out", Mode::Regular, b"x".to_vec())];
    room.call(Call::Restore(Restore { changes })).unwrap();
    assert_eq!(fs::read(room.state().with_file_name("secret")).unwrap(), b"secret");
    assert_eq!(room.read("file-out"), b"x");
}
