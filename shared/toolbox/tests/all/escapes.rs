use std::fs;

use toolbox::{Call, Change, ErrorKind, Glob, Mode};

use crate::fixture::{Fixture, grep, kind};

/// A workspace with a secret outside it and links that lead there.
/// The links in the workspace.
const LINKS: [&str; 8] =
    ["dangling-out", "directory-out", "file-out", "file-out-absolute", "git", "inside/up", "loop", "proc"];

fn fixture() -> Fixture {
    let fixture = Fixture::cloned(&[("inside/file", "inside\n")]);
    fs::write(fixture.state().with_file_name("secret"), "secret").unwrap();
    fs::create_dir(fixture.state().with_file_name("outside")).unwrap();
    fs::write(fixture.state().with_file_name("outside/secret"), "secret").unwrap();
    fixture.write(".git/config", "[core]\n");
    fixture.write("sub/.GIT/config", "[core]\n");
    fixture.link("file-out", "../secret");
    fixture.link("file-out-absolute", fixture.state().with_file_name("secret"));
    fixture.link("directory-out", "../outside");
    fixture.link("proc", "/proc/self/root");
    fixture.link("loop", "loop");
    fixture.link("git", ".git");
    fixture.link("dangling-out", "../not-there");
    fixture.link("inside/up", "../..");
    fixture
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
fn no_path_from_a_model_leaves_the_workspace_or_enters_git() {
    let fixture = fixture();
    for path in BAD {
        assert_eq!(kind(fixture.view(path)), ErrorKind::Path, "view {path:?}");
        assert_eq!(kind(fixture.create(path, "x")), ErrorKind::Path, "create {path:?}");
        assert_eq!(kind(fixture.str_replace(path, "secret", "x")), ErrorKind::Path, "str_replace {path:?}");
        assert_eq!(kind(fixture.insert(path, 0, "x")), ErrorKind::Path, "insert {path:?}");
        let search = toolbox::Grep { path: Some((*path).to_owned()), ..grep("secret") };
        assert_eq!(kind(fixture.call(Call::Grep(search))), ErrorKind::Path, "grep {path:?}");
        let list = Glob { pattern: "**".to_owned(), path: Some((*path).to_owned()) };
        assert_eq!(kind(fixture.call(Call::Glob(list))), ErrorKind::Path, "glob {path:?}");
    }
    assert_eq!(fs::read(fixture.state().with_file_name("secret")).unwrap(), b"secret");
    assert!(!fixture.state().with_file_name("not-there").exists());
}

#[test]
fn a_directory_whose_name_begins_like_the_workspace_is_outside() {
    let fixture = fixture();
    let beside = format!("{}-beside/x", fixture.workspace().display());
    assert_eq!(kind(fixture.create(&beside, "x")), ErrorKind::Path);
}

#[test]
fn links_that_stay_inside_are_edited_at_their_target() {
    let fixture = fixture();
    fixture.link("relative", "inside/file");
    fixture.link("absolute", fixture.path("inside/file"));
    fixture.link("directory", "inside");
    fixture.link("dangling", "inside/new/file");
    for (path, old, new) in [("relative", "inside", "1"), ("absolute", "1", "2"), ("directory/file", "2", "3")] {
        assert_eq!(fixture.str_replace(path, old, new).unwrap().path, "inside/file");
    }
    assert_eq!(fixture.read("inside/file"), b"3\n");
    assert!(fs::symlink_metadata(fixture.path("relative")).unwrap().is_symlink());
    assert_eq!(fixture.create("dangling", "x").unwrap().path, "inside/new/file");
    let absolute = fixture.path("inside/file").to_string_lossy().into_owned();
    assert_eq!(fixture.view(&absolute).unwrap().text, "     1\t3\n");
}

#[test]
fn stored_outputs_can_be_viewed_and_nothing_beside_them() {
    let fixture = fixture();
    fs::write(fixture.outputs().join("1.txt"), "output\n").unwrap();
    std::os::unix::fs::symlink("../secret", fixture.outputs().join("out")).unwrap();
    let path = |name: &str| fixture.outputs().join(name).to_string_lossy().into_owned();
    assert_eq!(fixture.view(&path("1.txt")).unwrap().text, "     1\toutput\n");
    assert_eq!(kind(fixture.view(&path("out"))), ErrorKind::Path);
    assert_eq!(kind(fixture.view(&path("../secret"))), ErrorKind::Path);
    assert_eq!(kind(fixture.create(&path("2.txt"), "x")), ErrorKind::Path);
}

#[test]
fn a_changeset_with_one_invalid_change_is_refused_as_a_whole() {
    let fixture = fixture();
    let good = Change::write("good", Mode::Regular, b"x".to_vec());
    let mut wrong_hash = Change::write("f", Mode::Regular, b"x".to_vec());
    if let Change::Write { content, .. } = &mut wrong_hash {
        content.push(b'y');
    }
    let mut bad: Vec<Vec<Change>> = BAD
        .iter()
        // A link that the change does not have is removed before anything is written, so that none is in the way.
        .filter(|path| {
            !LINKS
                .iter()
                .any(|link| path.strip_prefix(link).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
        })
        .map(|path| vec![Change::write(*path, Mode::Regular, b"x".to_vec())])
        .collect();
    bad.push(vec![wrong_hash]);
    bad.push(vec![good.clone()]);
    bad.push(vec![Change::write("good/below", Mode::Regular, b"x".to_vec())]);
    bad.push(vec![Change::write("link", Mode::Symlink, Vec::new())]);
    bad.push(vec![Change::Delete { path: "a/./b".to_owned() }]);
    for mut changes in bad {
        changes.push(good.clone());
        let outcome = fixture.put_back(changes.clone());
        assert!(matches!(kind(outcome), ErrorKind::Path | ErrorKind::Invalid), "{changes:?}");
    }
    assert_eq!(fs::read(fixture.state().with_file_name("outside/secret")).unwrap(), b"secret");
    assert!(!fixture.path("good").exists());
}

#[test]
fn a_change_over_a_link_replaces_the_link() {
    let fixture = Fixture::cloned(&[("a", "1\n")]);
    fs::write(fixture.state().with_file_name("secret"), "secret").unwrap();
    fixture.link("file-out", "../secret");
    let changes = vec![Change::write("file-out", Mode::Regular, b"x".to_vec())];
    fixture.put_back(changes).unwrap();
    assert_eq!(fs::read(fixture.state().with_file_name("secret")).unwrap(), b"secret");
    assert_eq!(fixture.read("file-out"), b"x");
}
