//! Sends random requests to the toolbox: none may make it panic, answer something that is no response, or change anything outside the
//! workspace. `cargo run --release -p toolbox --example fuzz [REQUESTS [SEED]]`.
//!
//! Half of them are calls with fields from lists of what breaks such programs, the rest is the JSON of such calls with bytes changed.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "an example fails by panicking and reports")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};
use toolbox::{Response, Toolbox, VERSION};

/// Requests between two looks at what is outside, and at what the workspace has grown to.
const ROUND: u64 = 5_000;

/// Marsaglia's xorshift: the same requests for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    fn of<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }
}

const PATHS: [&str; 44] = [
    "a.txt",
    "crlf.txt",
    "bom.txt",
    "none.txt",
    "empty",
    "binary",
    "large.txt",
    "dir",
    "dir/b.txt",
    "dir/new.txt",
    "new/deep/er.txt",
    "",
    ".",
    "./a.txt",
    "..",
    "../outside/secret",
    "dir/../../outside/secret",
    "dir/..",
    "/",
    "/etc/passwd",
    "/proc/self/environ",
    "/dev/zero",
    "{workspace}/a.txt",
    "{workspace}/../outside/secret",
    "{outside}/secret",
    "out",
    "out/secret",
    "up/outside/secret",
    "loop",
    "loop/x",
    "fifo",
    "socket",
    ".git",
    ".git/config",
    ".git/hooks/x",
    ".GIT/config",
    "dir/.git/config",
    "a\nb",
    "a\"b'c",
    "a\u{0}b",
    "~/x",
    "-rf",
    "\u{202e}txt.a",
    "dir//b.txt",
];
const TEXTS: [&str; 22] = [
    "",
    "one",
    "one\n",
    "two",
    "\n",
    "\n\n",
    "\r\n",
    "one\r\ntwo",
    "\u{feff}one",
    "e\u{301}",
    "\u{e9}",
    "\u{0}",
    "aaa",
    "aa",
    "$1",
    "\\1",
    "<<<<<<<",
    "\u{1b}[2J",
    "a\tb",
    " ",
    "日本語",
    "\u{2028}",
];
const PATTERNS: [&str; 16] = [
    "*",
    "**/*",
    "*.txt",
    "[",
    "{a,b",
    "{a,b}*",
    "!x",
    "../*",
    "/etc/*",
    "**/../**",
    "(a+)+$",
    "(?i)ONE",
    "[[:alpha:]]+",
    "\\p{L}{1,500}",
    "a{1000}{1000}",
    "^",
];

fn text(random: &mut Random) -> String {
    match random.below(8) {
        0 => TEXTS[random.below(TEXTS.len())].repeat(random.below(400)),
        1 => format!("{}{}", random.of(&TEXTS), random.of(&TEXTS)),
        _ => random.of(&TEXTS).to_owned(),
    }
}

fn number(random: &mut Random) -> i64 {
    let edges = [0, 1, 2, 3, 5, -1, -2, 100, 1 << 31, 1 << 40, i64::MAX, i64::MIN];
    edges[random.below(edges.len())]
}

fn call(random: &mut Random, place: &Place) -> Value {
    let path = random.of(&PATHS).replace("{workspace}", &place.workspace).replace("{outside}", &place.outside);
    let change = |random: &mut Random, path: &str| match random.below(3) {
        0 => json!({ "kind": "delete", "path": path }),
        _ => {
            json!({ "kind": "write", "path": path, "mode": random.of(&["100644", "100755", "120000", "160000", "x"]), "content": "b25l", "sha256": "00", "bytes": 3 })
        }
    };
    match random.below(12) {
        0 => json!({ "view": { "path": path, "view_range": [number(random), number(random)] } }),
        1 => json!({ "view": { "path": path, "max_characters": random.below(100) } }),
        2 => json!({ "create": { "path": path, "file_text": text(random) } }),
        3 | 4 => json!({ "str_replace": { "path": path, "old_str": text(random), "new_str": text(random) } }),
        5 => json!({ "insert": { "path": path, "insert_line": number(random), "insert_text": text(random) } }),
        6 => json!({ "glob": { "pattern": random.of(&PATTERNS), "path": path } }),
        7 => json!({ "grep": { "pattern": random.of(&PATTERNS), "path": path, "glob": random.of(&PATTERNS) } }),
        8 => json!({ "instructions": { "directories": [path, random.of(&PATHS)] } }),
        9 => match random.below(40) {
            0 => json!({ "collect": { "known": [text(random)], "unless": text(random) } }),
            1 => json!({ "settle": {} }),
            2 => json!({ "survey": {} }),
            _ => json!({ "view": { "path": path } }),
        },
        10 => json!({ "put_back": { "changes": [change(random, &path)] } }),
        _ => json!({ "rebase": { "changes": [change(random, &path)], "old_base": text(random) } }),
    }
}

/// Changes some bytes of a request, or cuts it.
fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        match random.below(4) {
            0 => bytes.truncate(at),
            1 => bytes[at] = u8::try_from(random.below(256)).unwrap(),
            2 => bytes.insert(at, *b"\"{}[]:,\\0\xff9".get(random.below(11)).unwrap()),
            _ => {
                bytes.remove(at);
            }
        }
    }
}

struct Place {
    root: PathBuf,
    workspace: String,
    outside: String,
}

impl Place {
    fn new(root: &Path) -> Self {
        let of = |name: &str| root.join(name).display().to_string();
        let place = Self { root: root.to_owned(), workspace: of("workspace"), outside: of("outside") };
        for directory in ["outside", "outputs"] {
            fs::create_dir(root.join(directory)).unwrap();
        }
        fs::write(root.join("outside/secret"), "the secret\n").unwrap();
        place.furnish();
        place
    }

    /// A fresh checkout with what hostile commands leave in one.
    fn furnish(&self) {
        for directory in ["workspace", "state"] {
            let _ = fs::remove_dir_all(self.root.join(directory));
            fs::create_dir(self.root.join(directory)).unwrap();
        }
        let workspace = Path::new(&self.workspace);
        fs::create_dir(workspace.join("dir")).unwrap();
        let long = "a line of some length\n".repeat(5000);
        for (name, content) in [
            ("a.txt", "one\ntwo\nthree\naaa\n"),
            ("crlf.txt", "one\r\ntwo\r\n"),
            ("bom.txt", "\u{feff}one\ntwo\n"),
            ("none.txt", "one\ntwo"),
            ("empty", ""),
            ("binary", "\u{0}\u{1}ELF"),
            ("large.txt", long.as_str()),
            ("dir/b.txt", "one\n"),
        ] {
            fs::write(workspace.join(name), content).unwrap();
        }
        let git = |arguments: &[&str]| {
            let identity = ["-c", "user.name=x", "-c", "user.email=x@example.com"];
            assert!(
                Command::new("git").current_dir(workspace).args(identity).args(arguments).status().unwrap().success()
            );
        };
        git(&["init", "-q"]);
        git(&["add", "-A"]);
        git(&["commit", "-q", "-m", "base"]);
        symlink(&self.outside, workspace.join("out")).unwrap();
        symlink("..", workspace.join("up")).unwrap();
        symlink("loop", workspace.join("loop")).unwrap();
        let _ = fs::write(workspace.join(std::ffi::OsStr::from_bytes(b"\xff\xfe\n\"")), "x");
        assert!(Command::new("mkfifo").arg(workspace.join("fifo")).status().unwrap().success());
        let _socket = std::os::unix::net::UnixListener::bind(workspace.join("socket")).unwrap();
    }

    /// Everything outside of workspace and state: content, mode, times.
    fn outside(&self) -> BTreeMap<PathBuf, (Vec<u8>, u32, i64, i64)> {
        let mut found = BTreeMap::new();
        for directory in ["outside", "outputs", "."] {
            for entry in fs::read_dir(self.root.join(directory)).unwrap() {
                let path = entry.unwrap().path();
                let metadata = fs::symlink_metadata(&path).unwrap();
                if metadata.is_file() {
                    let content = fs::read(&path).unwrap();
                    found.insert(path, (content, metadata.mode(), metadata.mtime_nsec(), metadata.ctime_nsec()));
                } else {
                    found.insert(path, Default::default());
                }
            }
        }
        found
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>().unwrap());
    let requests = arguments.next().unwrap_or(1_000_000);
    let seed = arguments.next().unwrap_or(0x9e37_79b9_7f4a_7c15);
    let directory = tempfile::tempdir().unwrap();
    let place = Place::new(directory.path());
    let outside = place.outside();
    let mut random = Random(seed.max(1));
    let begin = Instant::now();
    let (mut succeeded, mut refused) = (0_u64, 0_u64);
    let mut toolbox = Toolbox::default();
    for number in 0..requests {
        if number % ROUND == 0 {
            assert_eq!(
                place.outside(),
                outside,
                "something outside was changed before request {number} of seed {seed}"
            );
            place.furnish();
            toolbox = Toolbox::default();
            let _ = toolbox.answer_json(request(&place, &json!({ "baseline": {} })).to_string().as_bytes());
        }
        let mut call = call(&mut random, &place).to_string().into_bytes();
        if random.below(2) == 0 {
            mutate(&mut random, &mut call);
        }
        // The supervisor puts a call into a request only when it is JSON: directories are not the caller's to name.
        let bytes = match serde_json::from_slice::<Value>(&call) {
            Ok(call) => request(&place, &call).to_string().into_bytes(),
            Err(_) => call,
        };
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let answered = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| toolbox.answer_json(&bytes)));
        let answer = answered.unwrap_or_else(|_| panic!("request {number} of seed {seed} panicked: {shown}"));
        assert!(
            !String::from_utf8_lossy(&answer).contains("the secret"),
            "request {number} of seed {seed} read outside: {shown}"
        );
        match Response::parse(&answer) {
            Ok(_) => succeeded += 1,
            Err(_) => refused += 1,
        }
    }
    assert_eq!(place.outside(), outside, "something outside was changed");
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "{requests} requests in {seconds:.0} s (seed {seed}): {succeeded} carried out, {refused} refused, none outside, no panic"
    );
}

fn request(place: &Place, call: &Value) -> Value {
    json!({
        "version": VERSION, "workspace": place.workspace, "state": place.root.join("state"), "outputs": place.root.join("outputs"), "call": call,
    })
}
