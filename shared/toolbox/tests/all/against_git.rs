//! `collect` against git: it says of a workspace what `git add -A` and `git diff --cached` say, with the index of the clone.
//!
//! It departs from git on purpose where a file has the very bytes that a checkout writes (git would change its line endings once it
//! is touched), where a filter is asked for that is not there (git would store the file unconverted), and where commands left
//! something behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, FileTimes};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use proptest::sample::select;
use toolbox::{Change, Collect, Collected, Content, Mode};

use crate::fixture::{Fixture, changes, git, sha256};

pub(crate) const IGNORES: &[&str] = &[
    "*.tmp",
    "build/",
    "/a",
    "!x.tmp",
    "b/*",
    "!b/c.txt",
    "**/build",
    "a/**/c.txt",
    "*",
    "!*/",
    "!*.txt",
    "c.tx?",
    "[ab]",
    "build",
    "sp ace",
    "# *.txt",
    "*.tmp   ",
    "a/",
    "!a/",
    "/b/a",
    "!build/",
    "x.*\r",
    "\\!x",
];

pub(crate) const ATTRIBUTES: &[&str] = &[
    "* text=auto",
    "*.txt text",
    "*.txt eol=crlf",
    "*.bin -text",
    "*.bin binary",
    "a ident",
    "* ident",
    "*.txt text=auto eol=lf",
    "b/** text",
    "c.txt -text",
    "/a text",
    "[attr]mine text eol=crlf",
    "*.txt mine",
    "*.tmp !text",
    "*.txt crlf",
    "* -crlf",
    "*.bin crlf=input",
    "*.txt filter=evil",
    "\"sp ace\" text",
    "*.u16 working-tree-encoding=UTF-16",
    "*.u16 text working-tree-encoding=UTF-16 eol=crlf",
    "*.tmp text working-tree-encoding=ISO-8859-1",
    "a/** -text",
    "* text",
];

/// Changed paths with mode and content; none for a deleted one.
pub(crate) type Files = BTreeMap<String, Option<(Mode, Vec<u8>)>>;

/// Text in UTF-16 with a BOM, which is no valid text otherwise.
fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().fold(vec![0xff, 0xfe], |mut bytes, unit| {
        bytes.extend(unit.to_le_bytes());
        bytes
    })
}

pub(crate) fn path() -> impl Strategy<Value = String> {
    let name = || {
        select(vec![
            "a", "b", "c.txt", "build", "x.tmp", "a", "b", "c.txt", "build", "d.bin", "e.u16", "é", "sp ace", "-b",
        ])
    };
    proptest::collection::vec(name(), 1..4).prop_map(|names| names.join("/"))
}

pub(crate) fn content() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "([xyz]?\r?\n){0,6}[x]?",
        1 => "(\\$Id: [a-z]{0,4}\\$\r?\n|x\r\n){1,3}",
        1 => "x\r\n\0\r\ny\r",
        1 => "é\r\n",
    ]
}

pub(crate) fn rules(lines: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::collection::vec(select(lines), 0..4).prop_map(|lines| lines.join("\n") + "\n")
}

/// One thing that a command may do.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    Write(String, String),
    Mode(String, u32),
    Link(String, &'static str),
    Remove(String),
    Rename(String, String),
    /// Writes the same content again.
    Touch(String),
    Repository(String),
    Pipe(String),
    Commit,
    Reset,
    Collect,
    /// A tool of the model creates a file, which it has seen if there is one.
    Create(String, String),
}

pub(crate) fn action() -> impl Strategy<Value = Action> {
    let directory = || select(vec!["", "a/", "b/", "build/"]);
    prop_oneof![
        6 => (path(), content()).prop_map(|(path, content)| Action::Write(path, content)),
        2 => (directory(), rules(IGNORES)).prop_map(|(directory, rules)| Action::Write(format!("{directory}.gitignore"), rules)),
        2 => (directory(), rules(ATTRIBUTES)).prop_map(|(directory, rules)| Action::Write(format!("{directory}.gitattributes"), rules)),
        2 => (path(), select(vec![0o755, 0o644, 0o744, 0o655, 0o600])).prop_map(|(path, mode)| Action::Mode(path, mode)),
        1 => (path(), select(vec!["a", "b/c.txt", "/etc/passwd", "..", "nowhere"])).prop_map(|(path, target)| Action::Link(path, target)),
        3 => path().prop_map(Action::Remove),
        1 => select(vec![".gitattributes", ".gitignore", "b/.gitignore", "sub"]).prop_map(|path| Action::Remove(path.to_owned())),
        1 => (path(), path()).prop_map(|(from, to)| Action::Rename(from, to)),
        2 => path().prop_map(Action::Touch),
        1 => prop_oneof![path(), Just("sub".to_owned())].prop_map(Action::Repository),
        // Git refuses to add anything once a file of the index has become a pipe.
        1 => path().prop_map(|path| Action::Pipe(path + "-pipe")),
        1 => Just(Action::Write("sub/file".to_owned(), "x\n".to_owned())),
        1 => Just(Action::Write("sub".to_owned(), "x\n".to_owned())),
        1 => Just(Action::Commit),
        1 => Just(Action::Reset),
        2 => Just(Action::Collect),
    ]
}

/// The repository's own settings, which the clone gets too.
pub(crate) fn settings() -> impl Strategy<Value = Vec<&'static str>> {
    let autocrlf = select(vec![vec![], vec!["core.autocrlf=input"], vec!["core.autocrlf=true"]]);
    let eol = select(vec![vec![], vec!["core.eol=crlf"], vec!["core.eol=lf"]]);
    let mode = select(vec![vec![], vec![], vec!["core.fileMode=false"]]);
    (autocrlf, eol, mode).prop_map(|(autocrlf, eol, mode)| [autocrlf, eol, mode].concat())
}

fn run(directory: &Path, arguments: &[&str]) -> Output {
    Command::new("git")
        .args([
            "-c",
            "user.name=Test",
            "-c",
            "user.email=test@example.com",
            "-c",
            "core.safecrlf=false",
            "-c",
            "advice.addEmbeddedRepo=false",
        ])
        .args(arguments)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap()
}

/// The output of git, which must succeed.
fn output(directory: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = run(directory, arguments);
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

pub(crate) struct Subject {
    pub(crate) fixture: Fixture,
    /// A copy of the clone's git directory, before anything was done to the workspace.
    index: std::path::PathBuf,
    /// Gives every written file a time of its own: git compares times in whole seconds.
    writes: u64,
    /// What earlier answers of `collect` contained, which is not sent again.
    contents: BTreeMap<String, Vec<u8>>,
    /// What the model's tools wrote.
    pub(crate) written: BTreeSet<String>,
}

impl Subject {
    pub(crate) fn leads_in_a_circle(&self, path: &str) -> bool {
        // Linux's number of the error; the standard library has no stable name for it.
        const ELOOP: i32 = 40;
        let found = fs::symlink_metadata(self.fixture.workspace().join(path));
        found.is_err_and(|error| error.raw_os_error() == Some(ELOOP))
    }

    pub(crate) fn new(files: &[(String, String)], ignores: &str, attributes: &str, settings: &[&str]) -> Self {
        let fixture = Fixture::bare();
        let origin = fixture.origin();
        fs::create_dir_all(&origin).unwrap();
        git(&origin, &["init", "-q", "-b", "main"]);
        let configuration: Vec<&str> = settings.iter().flat_map(|setting| ["-c", *setting]).collect();
        for (path, content) in [(".gitignore", ignores), (".gitattributes", attributes)] {
            fs::write(origin.join(path), content).unwrap();
        }
        for (path, content) in files {
            put(&origin.join(path), content.as_bytes());
        }
        output(&origin, &[configuration.as_slice(), &["add", "-A", "-f"]].concat());
        let submodule = "160000,1234567890123456789012345678901234567890,sub";
        output(&origin, &["update-index", "--add", "--cacheinfo", submodule]);
        output(&origin, &["commit", "-q", "-m", "base"]);
        let directory = origin.parent().unwrap();
        output(directory, &[&["clone", "-q"], configuration.as_slice(), &["origin", "workspace"]].concat());
        // Git compares times in whole seconds: a file that something writes again in the second of the clone would
        // look untouched to it, and only to it.
        for path in str::from_utf8(&output(&fixture.workspace(), &["ls-files", "-z"])).unwrap().split_terminator('\0') {
            if is_file(&fixture.path(path)) {
                set_time(&fixture.path(path), -1_000_000);
            }
        }
        output(&fixture.workspace(), &["update-index", "-q", "--refresh"]);
        let index = directory.join("clone.git");
        assert!(Command::new("cp").arg("-a").args([&fixture.path(".git"), &index]).status().unwrap().success());
        // Not racy: git trusts the files that nobody has touched.
        set_time(&index.join("index"), 100_000);
        fixture.baseline();
        Self { fixture, index, writes: 0, contents: BTreeMap::new(), written: BTreeSet::new() }
    }

    pub(crate) fn act(&mut self, action: &Action) {
        let fixture = &self.fixture;
        match action {
            Action::Write(path, content) => {
                let raw = if path.ends_with(".u16") { utf16(content) } else { content.clone().into_bytes() };
                self.clear(path);
                put(&self.fixture.path(path), &raw);
                self.stamp(path);
            }
            Action::Touch(path) if is_file(&fixture.path(path)) => {
                let content = fixture.read(path);
                put(&fixture.path(path), &content);
                self.stamp(path);
            }
            Action::Mode(path, mode) if is_file(&fixture.path(path)) => {
                fixture.set_mode(path, *mode);
                self.stamp(path);
            }
            Action::Mode(..) | Action::Touch(_) => {}
            Action::Link(path, target) => {
                self.clear(path);
                fs::create_dir_all(self.fixture.path(path).parent().unwrap()).unwrap();
                self.fixture.link(path, target);
            }
            Action::Remove(path) => remove(&fixture.path(path)),
            Action::Rename(from, to) => {
                let (from, target) = (fixture.path(from), fixture.path(to));
                if fs::symlink_metadata(&from).is_ok() && !target.starts_with(&from) && !from.starts_with(&target) {
                    let aside = fixture.workspace().parent().unwrap().join("aside");
                    fs::rename(&from, &aside).unwrap();
                    self.clear(to);
                    fs::create_dir_all(target.parent().unwrap()).unwrap();
                    fs::rename(aside, &target).unwrap();
                    if is_file(&target) {
                        self.stamp(to);
                    }
                }
            }
            Action::Repository(path) => {
                self.clear(path);
                let directory = self.fixture.path(path);
                put(&directory.join("file"), b"x\n");
                git(&directory, &["init", "-q"]);
                output(&directory, &["add", "-A", "-f"]);
                output(&directory, &["commit", "-q", "-m", "nested"]);
            }
            Action::Pipe(path) => {
                self.clear(path);
                fs::create_dir_all(self.fixture.path(path).parent().unwrap()).unwrap();
                assert!(Command::new("mkfifo").arg(self.fixture.path(path)).status().unwrap().success());
            }
            // The model's own commits do not count. Git may refuse them, as in a workspace with a broken link.
            Action::Commit => {
                run(&fixture.workspace(), &["add", "-A"]);
                run(&fixture.workspace(), &["commit", "-q", "-m", "mine"]);
            }
            Action::Reset => drop(run(&fixture.workspace(), &["reset", "-q", "--hard"])),
            Action::Collect => drop(self.collect()),
            Action::Create(path, content) => {
                let _ = self.fixture.view(path);
                if let Ok(edited) = self.fixture.create(path, content) {
                    self.written.insert(edited.path);
                }
            }
        }
    }

    /// Collects, and puts the contents back that were not sent.
    pub(crate) fn collect(&mut self) -> Collected {
        let known = self.contents.keys().cloned().collect();
        let written = self.written.iter().cloned().collect();
        let mut collected = self.fixture.collect_with(Collect { known, written, ..Collect::default() });
        let sent = collected.contents.iter().map(|Content(content)| (sha256(content), content.clone()));
        self.contents.extend(sent.collect::<Vec<_>>());
        collected.contents = self.contents.values().cloned().map(Content).collect();
        collected
    }

    /// Removes what is at a path, and files and links above it.
    fn clear(&self, path: &str) {
        for (slash, _) in path.match_indices('/') {
            let above = self.fixture.path(&path[..slash]);
            if fs::symlink_metadata(&above).is_ok_and(|metadata| !metadata.is_dir()) {
                remove(&above);
            }
        }
        remove(&self.fixture.path(path));
    }

    /// Gives a file a time that differs from its last one by whole seconds. What changes a file's mode or name needs it
    /// too: of them git sees the time of the change alone, in whole seconds, and so nothing within the clone's second.
    fn stamp(&mut self, path: &str) {
        self.writes += 1;
        // Both before and after the present, so that both sides of the racy rule are taken.
        let seconds = 10 * self.writes;
        let offset = i64::try_from(seconds).unwrap() * if seconds.is_multiple_of(20) { 1 } else { -1 };
        set_time(&self.fixture.path(path), offset);
    }

    /// Whether a file has the bytes that a checkout writes, as git says.
    pub(crate) fn is_as_in_the_base(&self, path: &str) -> bool {
        let workspace = self.fixture.workspace();
        let (git_dir, tree) = (self.index.to_str().unwrap(), workspace.to_str().unwrap());
        let name = format!("HEAD:{path}");
        let checkout = run(&workspace, &["--git-dir", git_dir, "--work-tree", tree, "cat-file", "--filters", &name]);
        let stored = run(&workspace, &["--git-dir", git_dir, "cat-file", "blob", &name]);
        let hash = ["--git-dir", git_dir, "--work-tree", tree, "hash-object", "--path", path, path];
        let now = run(&workspace, &hash);
        let base = run(&workspace, &["--git-dir", git_dir, "rev-parse", &name]);
        let raw = self.fixture.read(path);
        checkout.status.success() && (checkout.stdout == raw || stored.stdout == raw || now.stdout == base.stdout)
    }

    /// What git says: the changed paths, and those that a changeset cannot contain.
    pub(crate) fn expected(&self) -> (Files, BTreeSet<String>) {
        let workspace = self.fixture.workspace();
        let (git_dir, tree) = (self.index.to_str().unwrap(), workspace.to_str().unwrap());
        let git = |arguments: &[&str]| {
            output(&workspace, &[&["--git-dir", git_dir, "--work-tree", tree], arguments].concat())
        };
        git(&["add", "-A"]);
        let raw = git(&["diff", "--cached", "--raw", "-z", "--no-abbrev", "--no-renames", "HEAD"]);
        let (mut changed, mut impossible) = (BTreeMap::new(), BTreeSet::new());
        let fields: Vec<&str> = str::from_utf8(&raw).unwrap().split_terminator('\0').collect();
        for pair in fields.chunks(2) {
            let words: Vec<&str> = pair[0].split(' ').collect();
            let mode = match words[1] {
                "100644" => Mode::Regular,
                "100755" => Mode::Executable,
                "120000" => Mode::Symlink,
                "000000" if words[0] != ":160000" => {
                    changed.insert(pair[1].to_owned(), None);
                    continue;
                }
                _ => {
                    impossible.insert(pair[1].to_owned());
                    continue;
                }
            };
            let path = pair[1];
            // What a checkout writes, as git says; empty for a path that the base commit does not have.
            let checkout = run(
                &workspace,
                &["--git-dir", git_dir, "--work-tree", tree, "cat-file", "--filters", &format!("HEAD:{path}")],
            );
            let has_mode = words[0].strip_prefix(':') == Some(words[1]) && mode != Mode::Symlink;
            if has_mode && checkout.status.success() && checkout.stdout == self.fixture.read(path) {
                continue;
            }
            let filter = git(&["check-attr", "-z", "filter", "--", path]);
            let filter = filter.split(|byte| *byte == 0).nth(2).unwrap();
            if mode != Mode::Symlink && ![b"unspecified".as_slice(), b"set", b"unset"].contains(&filter) {
                impossible.insert(path.to_owned());
                continue;
            }
            changed.insert(path.to_owned(), Some((mode, git(&["cat-file", "blob", words[3]]))));
        }
        (changed, impossible)
    }
}

fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file())
}

fn put(path: &Path, content: &[u8]) {
    if let Some(directory) = path.parent()
        && fs::create_dir_all(directory).is_ok()
        && !path.is_dir()
    {
        let _ = fs::write(path, content);
    }
}

fn remove(path: &Path) {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path).unwrap(),
        Ok(_) => fs::remove_file(path).unwrap(),
        Err(_) => {}
    }
}

#[expect(clippy::disallowed_methods, reason = "the times of files are compared with the file system's clock")]
fn set_time(path: &Path, offset: i64) {
    let (now, distance) = (SystemTime::now(), Duration::from_secs(offset.unsigned_abs()));
    let time = if offset < 0 { now - distance } else { now + distance };
    File::options().append(true).open(path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
}

pub(crate) fn collected_changes(collected: &Collected) -> Files {
    let change = |change: Change| match change {
        Change::Write { path, mode, content, .. } => (path, Some((mode, content))),
        Change::Delete { path } => (path, None),
    };
    changes(collected).into_iter().map(change).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 32,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn it_collects_what_git_would_add(
        files in proptest::collection::vec((path(), content()), 1..10),
        ignores in rules(IGNORES),
        attributes in rules(ATTRIBUTES),
        settings in settings(),
        actions in proptest::collection::vec(action(), 1..14),
    ) {
        // Only text can be decoded, in the base too.
        let files: Vec<_> = files.into_iter().filter(|(path, _)| !path.ends_with(".u16")).collect();
        let mut subject = Subject::new(&files, &ignores, &attributes, &settings);
        for action in &actions {
            subject.act(action);
        }
        // Git cannot tell whether a file behind links that lead in a circle is there, and leaves it as it was.
        prop_assume!(!files.iter().any(|(path, _)| subject.leads_in_a_circle(path)));
        let collected = subject.collect();
        let again = subject.collect();
        let (changed, impossible) = subject.expected();
        prop_assert_eq!(&collected_changes(&collected), &changed);
        for path in &impossible {
            prop_assert!(collected.skipped.iter().any(|skipped| skipped.path == *path), "{} is missing in {:?}", path, collected.skipped);
        }
        prop_assert_eq!(again, collected);
    }
}
