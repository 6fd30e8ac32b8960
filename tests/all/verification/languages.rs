//! Each outcome, in sessions on projects of three languages with their own test runners.

use std::path::Path;

use serde_json::{Value, json};

use super::{draft, outcomes, planned, told};
use crate::support::{Home, bash, ends, repository};

struct Project {
    files: &'static [(&'static str, &'static str)],
    check: &'static str,
    /// Edits after which the check passes, fails, and cannot run.
    sound: &'static str,
    broken: &'static str,
    /// A file of the base with which the check fails from the beginning.
    failing: (&'static str, &'static str),
}

const PYTHON: Project = Project {
    files: &[
        ("total.py", "def total(values):\n    return sum(values)\n"),
        (
            "test_total.py",
            "import unittest\nfrom total import total\n\n\nclass TotalTest(unittest.TestCase):\n    def test_total(self):\n        \
             self.assertEqual(total([1, 2]), 3)\n",
        ),
    ],
    check: "python3 -m unittest",
    sound: "echo '# Sums values.' >> total.py",
    broken: "sed -i 's/sum(values)/len(values)/' total.py",
    failing: (
        "test_other.py",
        "import unittest\n\n\nclass OtherTest(unittest.TestCase):\n    def test_other(self):\n        self.fail('always')\n",
    ),
};

const NODE: Project = Project {
    files: &[
        ("package.json", "{ \"name\": \"total\", \"scripts\": { \"test\": \"node --test\" } }\n"),
        ("total.js", "exports.total = (values) => values.reduce((sum, value) => sum + value, 0);\n"),
        (
            "total.test.js",
            "const test = require('node:test');\nconst assert = require('node:assert');\nconst { total } = require('./total');\n\n\
             test('total', () => assert.strictEqual(total([1, 2]), 3));\n",
        ),
    ],
    check: "npm test",
    sound: "echo '// Sums values.' >> total.js",
    broken: "sed -i 's/sum + value/sum - value/' total.js",
    failing: ("other.test.js", "require('node:test')('other', () => { throw new Error('always'); });\n"),
};

const RUST: Project = Project {
    files: &[
        ("Cargo.toml", "[package]\nname = \"total\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"),
        ("Cargo.lock", "version = 3\n\n[[package]]\nname = \"total\"\nversion = \"0.1.0\"\n"),
        (".gitignore", "target\n"),
        (
            "src/lib.rs",
            "pub fn total(values: &[i32]) -> i32 {\n    values.iter().sum()\n}\n\n#[test]\nfn sums() {\n    \
             assert_eq!(total(&[1, 2]), 3);\n}\n",
        ),
    ],
    check: "cargo test --quiet --offline",
    sound: "echo '// Sums values.' >> src/lib.rs",
    broken: "sed -i 's/values.iter().sum()/0/' src/lib.rs",
    failing: ("tests/other.rs", "#[test]\nfn other() {\n    panic!(\"always\");\n}\n"),
};

/// A home whose sandboxes have the toolchain that built these tests.
fn home() -> Home {
    let cargo = Path::new(env!("CARGO")).parent().unwrap().display().to_string();
    Home::new().with("BACKSPACE_SANDBOX_PATH", &cargo)
}

fn run(project: &Project, more: &[(&str, &str)], edit: &str, check: &str) -> (Vec<String>, Value, usize) {
    let home = home();
    let files: Vec<(&str, &str)> = project.files.iter().copied().chain(more.iter().copied()).collect();
    let checkout = repository(&home, "project", &files);
    let script = planned(&[check], &[bash(edit), ends(), ends(), ends(), ends()]);
    let run = home.code(&checkout, "Do it.", &script, &[]).expect_code(0);
    let outcomes = outcomes(&run).into_iter().map(|(_, outcome)| outcome).collect();
    (outcomes, draft(&run), told(&run, "checks").len())
}

fn each_outcome(project: &Project) {
    let check = project.check;
    let (outcomes, draft, _) = run(project, &[], project.sound, check);
    assert_eq!((outcomes, draft), (vec!["passed".to_owned()], Value::Null), "{check}");
    let (outcomes, draft, told) = run(project, &[], project.broken, check);
    assert_eq!((outcomes, draft, told), (vec!["failed".to_owned()], json!(format!("a check fails: {check}")), 1));
    let (outcomes, _, told) = run(project, &[project.failing], project.sound, check);
    assert_eq!((outcomes, told), (vec!["failed_before".to_owned()], 0), "{check}");
    let (outcomes, _, told) = run(project, &[], project.sound, &format!("cd . && missing-{check}"));
    assert_eq!((outcomes, told), (vec!["not_run".to_owned()], 0), "{check}");
}

#[test]
fn each_outcome_in_python() {
    each_outcome(&PYTHON);
}

#[test]
fn each_outcome_in_node() {
    each_outcome(&NODE);
}

#[test]
fn each_outcome_in_rust() {
    each_outcome(&RUST);
}
