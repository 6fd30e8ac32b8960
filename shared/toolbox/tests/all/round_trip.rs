use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use toolbox::{Change, Mode};

use crate::room::Room;

/// What a workspace holds, apart from `.git`: a file with its content and executable bit, or a link with its target.
fn contents(room: &Room) -> BTreeMap<String, (char, Vec<u8>)> {
    fn visit(room: &Room, directory: &Path, found: &mut BTreeMap<String, (char, Vec<u8>)>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let relative = path.strip_prefix(room.workspace()).unwrap().to_str().unwrap().to_owned();
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            if relative == ".git" {
            } else if kind.is_symlink() {
                let target = fs::read_link(&path).unwrap().to_str().unwrap().as_bytes().to_vec();
                found.insert(relative, ('l', target));
            } else if kind.is_dir() {
                visit(room, &path, found);
            } else {
                let bits = if room.mode(&relative) & 0o100 == 0 { '-' } else { 'x' };
                found.insert(relative, (bits, fs::read(&path).unwrap()));
            }
        }
    }
    let mut found = BTreeMap::new();
    visit(room, &room.workspace(), &mut found);
    found
}

fn assert_round_trip(room: &Room) {
    let collected = room.collect();
    assert_eq!(collected.skipped, []);
    let other = room.fresh_checkout();
    other.restore(&collected);
    assert_eq!(contents(&other), contents(room));
    let again = other.collect();
    assert_eq!((again.changes, again.digest), (collected.changes.clone(), collected.digest.clone()));
    // Laid a second time, after a first attempt that was cut off, it comes to the same.
    other.restore(&collected);
    assert_eq!(contents(&other), contents(room));
}

fn remove(room: &Room, path: &str) {
    let path = room.path(path);
    match fs::symlink_metadata(&path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path).unwrap(),
        Ok(_) => fs::remove_file(path).unwrap(),
        Err(_) => {}
    }
}

#[test]
fn every_kind_of_change_comes_back_the_same() {
    let room = Room::cloned(&[
        ("edit", "1\n"),
        ("delete/me", "1\n"),
        ("file-to-directory", "1\n"),
        ("directory-to-file/a", "1\n"),
        ("directory-to-file/b/c", "1\n"),
        ("directory-to-link/a", "1\n"),
        ("file-to-link", "1\n"),
        ("directory-to-twin/a", "1\n"),
        ("twin/a", "1\n"),
        ("script", "1\n"),
        ("same", "1\n"),
    ]);
    room.write("edit", "2\n");
    for path in
        ["delete", "file-to-directory", "directory-to-file", "directory-to-link", "file-to-link", "directory-to-twin"]
    {
        remove(&room, path);
    }
    // Through the link, the deleted file seems to be there still, unchanged.
    room.link("directory-to-twin", "twin");
    room.write("file-to-directory/x", "2\n");
    room.write("directory-to-file", "2\n");
    room.link("directory-to-link", "/etc");
    room.link("file-to-link", "same");
    room.link("dangling", "../nowhere");
    room.set_mode("script", 0o755);
    for name in
        ["with space", "new\nline", "üñí/✓", "quote\"s", "tab\t", "-dash", ":(exclude)x", "back\\slash", "*", "empty"]
    {
        room.write(name, if name == "empty" { "" } else { "x\r\n\0binary" });
    }
    assert_round_trip(&room);
    let collected = room.collect();
    assert!(collected.changes.contains(&Change::write("script", Mode::Executable, b"1\n".to_vec())));
    assert!(collected.changes.contains(&Change::Delete { path: "directory-to-link/a".to_owned() }));
    assert!(!collected.changes.iter().any(|change| change.path() == "same"));

    // And back again: what was undone is no change.
    for path in ["file-to-directory", "directory-to-file", "directory-to-link", "file-to-link", "directory-to-twin"] {
        remove(&room, path);
    }
    room.write("directory-to-twin/a", "1\n");
    room.write("file-to-directory", "1\n");
    room.write("directory-to-file/a", "1\n");
    room.write("directory-to-file/b/c", "1\n");
    room.write("directory-to-link/a", "1\n");
    room.write("file-to-link", "1\n");
    assert_round_trip(&room);
    assert!(!room.collect().changes.iter().any(|change| change.path().contains("-to-")));
}

/// One thing that a model might do to a path.
#[derive(Debug, Clone)]
enum Action {
    Write(String),
    Executable(String),
    Link(String),
    Remove,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        3 => "[x\n\r]{0,6}".prop_map(Action::Write),
        1 => "[x\n]{0,6}".prop_map(Action::Executable),
        1 => proptest::sample::select(vec!["a", "b/c", "/etc/passwd", "..", "nowhere"]).prop_map(|target| Action::Link(target.to_owned())),
        2 => Just(Action::Remove),
    ]
}

fn apply(room: &Room, path: &str, action: &Action) {
    // Whatever stands in the way goes, as `rm -rf` would have it.
    let mut above = path;
    while let Some((parent, _)) = above.rsplit_once('/') {
        if fs::symlink_metadata(room.path(parent)).is_ok_and(|metadata| !metadata.is_dir()) {
            remove(room, parent);
        }
        above = parent;
    }
    remove(room, path);
    fs::create_dir_all(room.path(path).parent().unwrap()).unwrap();
    match action {
        Action::Write(content) => room.write(path, content),
        Action::Executable(content) => {
            room.write(path, content);
            room.set_mode(path, 0o755);
        }
        Action::Link(target) => room.link(path, target),
        Action::Remove => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_was_done_comes_back_the_same(
        actions in proptest::collection::vec(("[ab é]{1,2}(/[ab]){0,2}", action()), 1..12),
        collected_between in any::<bool>(),
    ) {
        let room = Room::cloned(&[("a", "x\n"), ("b/a", "x\n"), ("b/b/a", "x\n"), ("aa", "x\n")]);
        let (first, second) = actions.split_at(actions.len() / 2);
        for (path, action) in first {
            apply(&room, path, action);
        }
        if collected_between {
            room.collect();
        }
        for (path, action) in second {
            apply(&room, path, action);
        }
        assert_round_trip(&room);
    }
}
