//! A workspace with a state directory beside it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use toolbox::{
    Answer, Baseline, BaselineTaken, Call, Change, Collect, Collected, Content, Create, Difference, Edited, ErrorKind,
    Failure, Grep, GrepMode, Insert, Mode, PutBack, Request, Response, StrReplace, Toolbox, View, Viewed,
};

pub(crate) struct Fixture {
    directory: TempDir,
}

/// The answer of the expected kind.
macro_rules! answer {
    ($outcome:expr, $kind:path) => {
        match $outcome {
            Ok($kind(answer)) => answer,
            other => panic!("unexpected answer: {other:?}"),
        }
    };
}
pub(crate) use answer;

impl Fixture {
    /// An empty workspace without git.
    pub(crate) fn bare() -> Self {
        let fixture = Self { directory: TempDir::new().unwrap() };
        fs::create_dir_all(fixture.workspace()).unwrap();
        fixture
    }

    /// A workspace cloned from a repository with these files in one commit, with its baseline.
    pub(crate) fn cloned(files: &[(&str, &str)]) -> Self {
        let fixture = Self::bare();
        let origin = fixture.directory.path().join("origin");
        fs::create_dir(&origin).unwrap();
        git(&origin, &["init", "-q", "-b", "main"]);
        for (path, content) in files {
            write(&origin.join(path), content.as_bytes());
        }
        git(&origin, &["add", "-A", "-f"]);
        git(&origin, &["commit", "-q", "--allow-empty", "-m", "base"]);
        git(fixture.directory.path(), &["clone", "-q", "origin", "workspace"]);
        fixture.baseline();
        fixture
    }

    /// As [`Fixture::cloned`], with the contents in the commit as they are given, whatever the attributes say.
    pub(crate) fn cloned_raw(files: &[(&str, &str)]) -> Self {
        let fixture = Self::bare();
        let origin = fixture.directory.path().join("origin");
        fs::create_dir(&origin).unwrap();
        git(&origin, &["init", "-q", "-b", "main"]);
        for (path, content) in files {
            write(&origin.join(path), content.as_bytes());
        }
        fs::create_dir_all(origin.join(".git/info")).unwrap();
        fs::write(origin.join(".git/info/attributes"), "* -text\n").unwrap();
        git(&origin, &["add", "-A", "-f"]);
        git(&origin, &["commit", "-q", "-m", "base"]);
        git(fixture.directory.path(), &["clone", "-q", "origin", "workspace"]);
        fixture.baseline();
        fixture
    }

    /// Another checkout of the same commit, with its baseline.
    pub(crate) fn fresh_checkout(&self) -> Self {
        let fixture = Self::bare();
        let origin = self.directory.path().join("origin");
        git(fixture.directory.path(), &["clone", "-q", &origin.to_string_lossy(), "workspace"]);
        fixture.baseline();
        fixture
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.directory.path().join("workspace")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    pub(crate) fn origin(&self) -> PathBuf {
        self.directory.path().join("origin")
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.workspace().join(path)
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        write(&self.path(path), content.as_ref());
    }

    pub(crate) fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.path(path)).unwrap()
    }

    pub(crate) fn set_mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn mode(&self, path: &str) -> u32 {
        fs::symlink_metadata(self.path(path)).unwrap().permissions().mode() & 0o7777
    }

    pub(crate) fn link(&self, path: &str, target: impl AsRef<Path>) {
        std::os::unix::fs::symlink(target, self.path(path)).unwrap();
    }

    /// A git repository inside the workspace, with a commit.
    pub(crate) fn nested_repository(&self, path: &str) {
        self.write(&format!("{path}/file"), "x\n");
        git(&self.path(path), &["init", "-q"]);
        git(&self.path(path), &["add", "-A"]);
        git(&self.path(path), &["commit", "-q", "-m", "nested"]);
    }

    pub(crate) fn request(&self, call: Call) -> Request {
        Request::new(self.workspace(), self.state(), call).with_outputs(self.outputs())
    }

    pub(crate) fn outputs(&self) -> PathBuf {
        let outputs = self.directory.path().join("outputs");
        fs::create_dir_all(&outputs).unwrap();
        outputs
    }

    pub(crate) fn call(&self, call: Call) -> Result<Answer, Failure> {
        send(&serde_json::to_vec(&self.request(call)).unwrap())
    }

    pub(crate) fn view(&self, path: &str) -> Result<Viewed, Failure> {
        self.view_range(path, None)
    }

    pub(crate) fn view_range(&self, path: &str, view_range: Option<[i64; 2]>) -> Result<Viewed, Failure> {
        let call = View { path: path.to_owned(), view_range, max_characters: None };
        self.call(Call::View(call)).map(|answer| answer!(Ok::<_, Failure>(answer), Answer::View))
    }

    pub(crate) fn create(&self, path: &str, file_text: &str) -> Result<Edited, Failure> {
        let call = Create { path: path.to_owned(), file_text: file_text.to_owned() };
        self.call(Call::Create(call)).map(|answer| answer!(Ok::<_, Failure>(answer), Answer::Create))
    }

    pub(crate) fn str_replace(&self, path: &str, old: &str, new: &str) -> Result<Edited, Failure> {
        let call = StrReplace { path: path.to_owned(), old_str: old.to_owned(), new_str: new.to_owned() };
        self.call(Call::StrReplace(call)).map(|answer| answer!(Ok::<_, Failure>(answer), Answer::StrReplace))
    }

    pub(crate) fn insert(&self, path: &str, insert_line: u64, text: &str) -> Result<Edited, Failure> {
        let call = Insert { path: path.to_owned(), insert_line, insert_text: text.to_owned() };
        self.call(Call::Insert(call)).map(|answer| answer!(Ok::<_, Failure>(answer), Answer::Insert))
    }

    pub(crate) fn baseline(&self) -> BaselineTaken {
        answer!(self.call(Call::Baseline(Baseline {})), Answer::Baseline)
    }

    pub(crate) fn collect(&self) -> Collected {
        self.collect_with(Collect::default())
    }

    pub(crate) fn collect_with(&self, call: Collect) -> Collected {
        answer!(self.call(Call::Collect(call)), Answer::Collect)
    }

    pub(crate) fn put_back(&self, changes: Vec<Change>) -> Result<(), Failure> {
        let call = PutBack { changes, limits: toolbox::Limits::default(), written: Vec::new() };
        self.call(Call::PutBack(call)).map(|answer| assert!(matches!(answer, Answer::PutBack(_)), "{answer:?}"))
    }
}

/// The collected changes, with their contents found by their hashes.
pub(crate) fn changes(collected: &Collected) -> Vec<Change> {
    let contents: BTreeMap<String, &Vec<u8>> =
        collected.contents.iter().map(|Content(content)| (sha256(content), content)).collect();
    let change = |difference: &Difference| match difference {
        Difference::Delete { path } => Change::Delete { path: path.clone() },
        Difference::Write { path, mode, sha256, bytes } => {
            let content = contents[sha256];
            assert_eq!(*bytes, content.len() as u64, "{path}");
            Change::write(path.as_str(), *mode, content.clone())
        }
    };
    collected.changes.iter().map(change).collect()
}

pub(crate) fn sha256(content: &[u8]) -> String {
    match Change::write("", Mode::Regular, content.to_vec()) {
        Change::Write { sha256, .. } => sha256,
        Change::Delete { .. } => unreachable!(),
    }
}

pub(crate) fn grep(pattern: &str) -> Grep {
    Grep {
        pattern: pattern.to_owned(),
        path: None,
        glob: None,
        ignore_case: false,
        context: 0,
        mode: GrepMode::Content,
        limit: None,
    }
}

/// Serves one request, as the embedding program does.
pub(crate) fn send(request: &[u8]) -> Result<Answer, Failure> {
    Response::parse(&Toolbox::default().answer_json(request))
}

pub(crate) fn kind<T: std::fmt::Debug>(outcome: Result<T, Failure>) -> ErrorKind {
    outcome.unwrap_err().kind
}

pub(crate) fn git(directory: &Path, arguments: &[&str]) {
    let status = Command::new("git")
        .args(["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "protocol.file.allow=always"])
        .args(arguments)
        .current_dir(directory)
        .status()
        .unwrap();
    assert!(status.success(), "git {arguments:?}");
}

fn write(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}
