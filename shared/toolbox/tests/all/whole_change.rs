//! What was written is published or named, and what was not written is not published.

use std::collections::BTreeSet;
use std::fs;

use proptest::prelude::*;
use toolbox::{Call, Change, Collect, Collected, Mode, PutBack};

use crate::against_git::{
    ATTRIBUTES, Action, IGNORES, Subject, action, collected_changes, content, path, rules, settings,
};
use crate::fixture::{Fixture, changes};

fn collect(fixture: &Fixture, written: &[&str]) -> Collected {
    let written = written.iter().map(|path| (*path).to_owned()).collect();
    fixture.collect_with(Collect { written, ..Collect::default() })
}

fn paths(collected: &Collected) -> Vec<&str> {
    collected.changes.iter().map(toolbox::Difference::path).collect()
}

fn named(left_out: &[toolbox::Skipped]) -> Vec<(&str, &str)> {
    left_out.iter().map(|left_out| (left_out.path.as_str(), left_out.reason.as_str())).collect()
}

#[test]
fn what_commands_leave_behind_is_named_and_no_part_of_the_change() {
    let fixture = Fixture::cloned(&[("package.json", "{}"), ("Cargo.toml", ""), ("lib/a.js", "1\n")]);
    for file in [
        "node_modules/x/index.js",
        "lib/__pycache__/a.pyc",
        "env/lib/python/site.py",
        "target/debug/out",
        "coverage/index.html",
        "dist/index.js",
        ".DS_Store",
        "npm-debug.log",
        "npm-debug.log.17",
        "lib/new.js",
        "lib/target/kept",
        "core.txt",
        "core",
    ] {
        fixture.write(file, "x\n");
    }
    fixture.write("env/pyvenv.cfg", "home = /usr\n");
    fixture.write("tool/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n");
    fixture.write("core.123", [b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x04\0".as_slice(), &[0; 100]].concat());
    let collected = collect(&fixture, &[]);
    assert_eq!(paths(&collected), ["core", "core.txt", "lib/new.js", "lib/target/kept"]);
    assert_eq!(
        named(&collected.leftovers),
        [
            (".DS_Store", "a file of the system"),
            ("core.123", "a core file"),
            ("coverage/", "a report"),
            ("dist/", "build output"),
            ("env/", "installed dependencies"),
            ("lib/__pycache__/", "a cache"),
            ("node_modules/", "installed dependencies"),
            ("npm-debug.log", "a log"),
            ("npm-debug.log.17", "a log"),
            ("target/", "build output"),
            ("tool/", "a cache"),
        ]
    );
    assert!(collected.skipped.is_empty());
}

#[test]
fn folders_that_people_write_themselves_are_published() {
    let files = [("node_modules/kept/a.js", "1\n"), ("x.log", "1\n")];
    let fixture = Fixture::cloned(&files);
    for file in ["bin/run", "build/Dockerfile", "out/a", "target/a", "vendor/b", "node_modules/kept/b.js", "coverage/c"]
    {
        fixture.write(file, "x\n");
    }
    fixture.write("x.log", "2\n");
    let collected = collect(&fixture, &[]);
    let expected = [
        "bin/run",
        "build/Dockerfile",
        "coverage/c",
        "node_modules/kept/b.js",
        "out/a",
        "target/a",
        "vendor/b",
        "x.log",
    ];
    assert_eq!((paths(&collected), named(&collected.leftovers)), (expected.to_vec(), vec![]));
}

#[test]
fn what_was_written_by_name_is_published_though_it_is_ignored() {
    let fixture = Fixture::cloned(&[(".gitignore", ".env*\ndist/\n"), ("package.json", "{}")]);
    for file in
        [".env.example", ".env", "dist/index.js", "dist/other.js", "node_modules/mine.js", "node_modules/other.js"]
    {
        fixture.write(file, "x\n");
    }
    let written = [".env.example", "dist/index.js", "dist/gone.js", "node_modules/mine.js", "package.json"];
    let collected = collect(&fixture, &written);
    assert_eq!(paths(&collected), [".env.example", "dist/index.js", "node_modules/mine.js"]);
    assert_eq!(collected.unchanged_written, ["dist/gone.js", "package.json"]);
    assert_eq!(named(&collected.leftovers), [("node_modules/", "installed dependencies")]);
}

#[test]
fn what_was_written_where_it_cannot_be_published_is_named() {
    let fixture = Fixture::cloned(&[("a", "1\n"), ("real/x", "1\n")]);
    fixture.nested_repository("inner");
    fixture.write("inner/new.py", "x\n");
    fixture.write("moved/y", "x\n");
    fs::rename(fixture.path("moved"), fixture.path("real/moved")).unwrap();
    fixture.link("moved", "real/moved");
    fs::create_dir(fixture.path("folder")).unwrap();
    let collected = collect(&fixture, &["folder", "inner/new.py", "moved/y"]);
    let skipped = named(&collected.skipped);
    assert!(skipped.contains(&("inner", "it is a git repository of its own")), "{skipped:?}");
    assert!(skipped.contains(&("moved/y", "moved is a symbolic link now")), "{skipped:?}");
    assert_eq!(collected.unchanged_written, ["folder"]);
}

#[test]
fn written_files_come_first_under_every_limit() {
    let fixture = Fixture::cloned(&[("m", "1\n")]);
    for name in ["a", "b", "m", "z"] {
        fixture.write(name, name.repeat(10));
    }
    let limited = |limits| {
        let collected = fixture.collect_with(Collect { limits, written: vec!["z".to_owned()], ..Collect::default() });
        collected.changes.iter().map(|change| change.path().to_owned()).collect::<Vec<_>>()
    };
    let limits = toolbox::Limits::default();
    assert_eq!(limited(toolbox::Limits { files: 1, ..limits }), ["z"]);
    assert_eq!(limited(toolbox::Limits { files: 2, ..limits }), ["m", "z"]);
    assert_eq!(limited(toolbox::Limits { bytes_total: 20, ..limits }), ["m", "z"]);
    for number in 0..1_100 {
        fixture.write(&format!("b{number}"), "x");
    }
    let limits = toolbox::Limits { files: 3, ..limits };
    let written = vec!["y".to_owned(), "z".to_owned()];
    fixture.nested_repository("y");
    let collected = fixture.collect_with(Collect { limits, written, ..Collect::default() });
    assert!(collected.skipped.iter().any(|skipped| skipped.path == "y"), "it is named beside a thousand others");
    assert!(paths(&collected).contains(&"z"));
}

#[test]
fn a_file_that_a_checkout_alone_changes_is_no_change() {
    // Committed with CRLF, against what the attributes say.
    let files = [(".gitattributes", "*.txt text\n"), ("a.txt", "one\r\ntwo\r\n"), ("b.txt", "one\r\n")];
    let fixture = Fixture::cloned_raw(&files);
    fixture.write("made.md", "x\n");
    assert_eq!(paths(&collect(&fixture, &[])), ["made.md"]);
    // Written again with the same bytes.
    fixture.write("a.txt", "one\r\ntwo\r\n");
    fixture.write("b.txt", "two\r\n");
    assert_eq!(paths(&collect(&fixture, &[])), ["b.txt", "made.md"]);
}

#[test]
fn what_a_filter_would_convert_is_not_published_unconverted() {
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 130\n", "a".repeat(64));
    let files = [(".gitattributes", "*.png filter=lfs\n*.csv filter=lfs -text\n"), ("logo.png", pointer.as_str())];
    let fixture = Fixture::cloned(&files);
    assert!(collect(&fixture, &[]).changes.is_empty());
    let viewed = fixture.view("logo.png").unwrap().text;
    assert!(viewed.contains("a Git LFS pointer: the content of the file is not here."), "{viewed}");
    fixture.write("logo.png", "raw");
    fixture.write("new.csv", "1,2\n");
    fixture.write("other.png", pointer.replace("130", "131"));
    let collected = collect(&fixture, &["logo.png"]);
    assert_eq!(paths(&collected), ["other.png"]);
    let reason = "its attributes ask for the filter lfs, which is not run here: it would be stored unconverted";
    assert_eq!(named(&collected.skipped), [("logo.png", reason), ("new.csv", reason)]);
    fixture.write("logo.png", &pointer);
    assert_eq!(collect(&fixture, &["logo.png"]).unchanged_written, ["logo.png"]);
}

#[test]
fn a_change_is_put_back_as_it_was() {
    let files = [("a.txt", "1\n"), ("d/b", "1\n"), ("gone", "1\n"), ("run", "1\n"), (".gitignore", "cache\n")];
    let fixture = Fixture::cloned(&files);
    fixture.write("a.txt", "2\n");
    fixture.write("new/x", "1\n");
    fs::remove_file(fixture.path("gone")).unwrap();
    let change = changes(&collect(&fixture, &[]));
    let times = |path: &str| fs::metadata(fixture.path(path)).unwrap().modified().unwrap();
    let before = times("a.txt");
    // What checks may do.
    fixture.write("a.txt.bak", "1\n");
    fixture.write("made/by/checks", "1\n");
    fixture.write("cache", "kept\n");
    fixture.write("d/b", "2\n");
    fixture.set_mode("run", 0o755);
    fs::remove_dir_all(fixture.path("new")).unwrap();
    fixture.write("gone/again", "1\n");
    fixture.put_back(change.clone()).unwrap();
    assert_eq!(changes(&collect(&fixture, &[])), change);
    assert_eq!(times("a.txt"), before, "what is right is not touched");
    assert!(!fixture.path("made").exists() && fixture.path("cache").exists());
    fixture.put_back(Vec::new()).unwrap();
    assert_eq!(changes(&collect(&fixture, &[])), []);
    assert_eq!((fixture.read("gone"), fixture.read("a.txt")), (b"1\n".to_vec(), b"1\n".to_vec()));
    fixture.put_back(change.clone()).unwrap();
    assert_eq!(changes(&collect(&fixture, &[])), change);
}

#[test]
fn a_change_that_no_repository_could_have_is_not_laid() {
    let fixture = Fixture::cloned(&[("a.txt", "1\n")]);
    fixture.write("a.txt", "2\n");
    for path in ["../out", ".git/config", "/etc/x"] {
        let change = Change::write(path, Mode::Regular, b"x".to_vec());
        assert!(fixture.put_back(vec![change]).is_err(), "{path}");
    }
    assert_eq!(fixture.read("a.txt"), b"2\n", "nothing of it is done");
}

fn tool_or_command() -> impl Strategy<Value = Action> {
    // Git adds nothing at all where a file lacks the mark that its encoding needs, and a tool writes none.
    let text = path().prop_filter("it is in UTF-16", |path| !path.ends_with(".u16"));
    prop_oneof![2 => action(), 1 => (text, content()).prop_map(|(path, content)| Action::Create(path, content))]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 16,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn published_and_named_is_written(
        files in proptest::collection::vec((path(), content()), 1..10),
        ignores in rules(IGNORES),
        attributes in rules(ATTRIBUTES),
        settings in settings(),
        actions in proptest::collection::vec(tool_or_command(), 1..14),
    ) {
        let files: Vec<_> = files.into_iter().filter(|(path, _)| !path.ends_with(".u16")).collect();
        let mut subject = Subject::new(&files, &ignores, &attributes, &settings);
        for action in &actions {
            subject.act(action);
        }
        prop_assume!(!files.iter().any(|(path, _)| subject.leads_in_a_circle(path)));
        let collected = subject.collect();
        let changed: BTreeSet<&str> = paths(&collected).into_iter().collect();
        let skipped: BTreeSet<&str> = collected.skipped.iter().map(|skipped| skipped.path.as_str()).collect();
        for path in &subject.written {
            let is_skipped = skipped.contains(path.as_str())
                || path.match_indices('/').any(|(slash, _)| skipped.contains(&path[..slash]));
            let is_unchanged = collected.unchanged_written.contains(path);
            let answers = [changed.contains(path.as_str()), is_skipped, is_unchanged];
            prop_assert_eq!(answers.into_iter().filter(|answer| *answer).count(), 1, "{}: {:?} {:?}", path, answers, collected);
            let now = fs::symlink_metadata(subject.fixture.path(path));
            if is_unchanged && now.is_ok_and(|now| !now.is_dir()) {
                prop_assert!(subject.is_as_in_the_base(path), "{} is not published and not named", path);
            }
        }
        // Git's own judgement of what differs, whoever wrote it.
        let (git, impossible) = subject.expected();
        let published = collected_changes(&collected);
        for (path, change) in &git {
            prop_assert_eq!(published.get(path), Some(change), "{}", path);
        }
        for path in published.keys().filter(|path| !git.contains_key(*path)) {
            prop_assert!(subject.written.contains(path), "{} is published and nobody wrote it", path);
        }
        for path in &impossible {
            prop_assert!(skipped.contains(path.as_str()) || collected.skipped.iter().any(|named| path.starts_with(&named.path)), "{}", path);
        }
    }

    #[test]
    fn a_change_can_be_taken_away_and_laid_back(
        files in proptest::collection::vec((path(), content()), 1..10),
        ignores in rules(IGNORES),
        attributes in rules(ATTRIBUTES),
        settings in settings(),
        actions in proptest::collection::vec(tool_or_command(), 1..10),
    ) {
        let files: Vec<_> = files.into_iter().filter(|(path, _)| !path.ends_with(".u16")).collect();
        let mut subject = Subject::new(&files, &ignores, &attributes, &settings);
        for action in &actions {
            subject.act(action);
        }
        let before = subject.collect();
        let written: Vec<String> = subject.written.iter().cloned().collect();
        let call = |changes| Call::PutBack(PutBack { changes, limits: toolbox::Limits::default(), written: written.clone() });
        // Ignored files may stand in the way of what was there before; then it is said, and nothing else is to be done.
        prop_assume!(subject.fixture.call(call(Vec::new())).is_ok());
        let away = subject.collect();
        let rules = |path: &str| path.ends_with(".gitattributes") || path.ends_with(".gitignore");
        let touches_rules = before.changes.iter().any(|change| rules(change.path()));
        if !touches_rules {
            prop_assert!(away.changes.is_empty(), "{:?}", away.changes);
        }
        prop_assert!(subject.fixture.call(call(changes(&before))).is_ok());
        if !touches_rules {
            let after = subject.collect();
            prop_assert_eq!(collected_changes(&after), collected_changes(&before));
            prop_assert_eq!(after.digest, before.digest);
        }
    }
}
