use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use toolbox::{Change, Mode};

use crate::fixture::{Fixture, changes};

/// The files of a workspace with their content and executable bit, and its links with their target, without `.git`.
fn contents(fixture: &Fixture) -> BTreeMap<String, (char, Vec<u8>)> {
    fn visit(fixture: &Fixture, directory: &Path, found: &mut BTreeMap<String, (char, Vec<u8>)>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let relative = path.strip_prefix(fixture.workspace()).unwrap().to_str().unwrap().to_owned();
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            if relative == ".git" {
            } else if kind.is_symlink() {
                let target = fs::read_link(&path).unwrap().to_str().unwrap().as_bytes().to_vec();
                found.insert(relative, ('l', target));
            } else if kind.is_dir() {
                visit(fixture, &path, found);
            } else {
                let bits = if fixture.mode(&relative) & 0o100 == 0 { '-' } else { 'x' };
                found.insert(relative, (bits, fs::read(&path).unwrap()));
            }
        }
    }
    let mut found = BTreeMap::new();
    visit(fixture, &fixture.workspace(), &mut found);
    found
}

fn assert_round_trip(fixture: &Fixture) {
    let collected = fixture.collect();
    assert_eq!(collected.skipped, []);
    let other = fixture.fresh_checkout();
    other.put_back(changes(&collected)).unwrap();
    assert_eq!(contents(&other), contents(fixture));
    let again = other.collect();
    assert_eq!((changes(&again), again.digest), (changes(&collected), collected.digest.clone()));
    // A second attempt, as after one that was cut off, has the same result.
    other.put_back(changes(&collected)).unwrap();
    assert_eq!(contents(&other), contents(fixture));
}

fn remove(fixture: &Fixture, path: &str) {
    let path = fixture.path(path);
    match fs::symlink_metadata(&path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path).unwrap(),
        Ok(_) => fs::remove_file(path).unwrap(),
        Err(_) => {}
    }
}

#[test]
fn every_kind_of_change_survives_collect_and_put_back() {
    let fixture = Fixture::cloned(&[
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
    fixture.write("edit", "2\n");
    for path in
        ["delete", "file-to-directory", "directory-to-file", "directory-to-link", "file-to-link", "directory-to-twin"]
    {
        remove(&fixture, path);
    }
    // Through this link, the deleted file seems to exist unchanged.
    fixture.link("directory-to-twin", "twin");
    fixture.write("file-to-directory/x", "2\n");
    fixture.write("directory-to-file", "2\n");
    fixture.link("directory-to-link", "/etc");
    fixture.link("file-to-link", "same");
    fixture.link("dangling", "../nowhere");
    fixture.set_mode("script", 0o755);
    for name in
        ["with space", "new\nline", "üñí/✓", "quote\"s", "tab\t", "-dash", ":(exclude)x", "back\\slash", "*", "empty"]
    {
        fixture.write(name, if name == "empty" { "" } else { "x\r\n\0binary" });
    }
    assert_round_trip(&fixture);
    let collected = fixture.collect();
    let changes = changes(&collected);
    assert!(changes.contains(&Change::write("script", Mode::Executable, b"1\n".to_vec())));
    assert!(changes.contains(&Change::Delete { path: "directory-to-link/a".to_owned() }));
    assert!(!changes.iter().any(|change| change.path() == "same"));

    // And back again: a change that was undone is none.
    for path in ["file-to-directory", "directory-to-file", "directory-to-link", "file-to-link", "directory-to-twin"] {
        remove(&fixture, path);
    }
    fixture.write("directory-to-twin/a", "1\n");
    fixture.write("file-to-directory", "1\n");
    fixture.write("directory-to-file/a", "1\n");
    fixture.write("directory-to-file/b/c", "1\n");
    fixture.write("directory-to-link/a", "1\n");
    fixture.write("file-to-link", "1\n");
    assert_round_trip(&fixture);
    assert!(!fixture.collect().changes.iter().any(|change| change.path().contains("-to-")));
}

/// One thing that a command may do to a path.
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

fn apply(fixture: &Fixture, path: &str, action: &Action) {
    // Anything in the way is removed, as with `rm -rf`.
    let mut above = path;
    while let Some((parent, _)) = above.rsplit_once('/') {
        if fs::symlink_metadata(fixture.path(parent)).is_ok_and(|metadata| !metadata.is_dir()) {
            remove(fixture, parent);
        }
        above = parent;
    }
    remove(fixture, path);
    fs::create_dir_all(fixture.path(path).parent().unwrap()).unwrap();
    match action {
        Action::Write(content) => fixture.write(path, content),
        Action::Executable(content) => {
            fixture.write(path, content);
            fixture.set_mode(path, 0o755);
        }
        Action::Link(target) => fixture.link(path, target),
        Action::Remove => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_changes_survive_collect_and_put_back(
        actions in proptest::collection::vec(("[ab é]{1,2}(/[ab]){0,2}", action()), 1..12),
        collected_between in any::<bool>(),
    ) {
        let fixture = Fixture::cloned(&[("a", "x\n"), ("b/a", "x\n"), ("b/b/a", "x\n"), ("aa", "x\n")]);
        let (first, second) = actions.split_at(actions.len() / 2);
        for (path, action) in first {
            apply(&fixture, path, action);
        }
        if collected_between {
            fixture.collect();
        }
        for (path, action) in second {
            apply(&fixture, path, action);
        }
        assert_round_trip(&fixture);
    }
}
