use std::fs::File;
use std::time::{Duration, SystemTime};

use toolbox::{Answer, Call, ErrorKind, Glob, Grep, GrepMode, Grepped, Survey};

use crate::fixture::{Fixture, answer, grep, kind};

fn fixture() -> Fixture {
    let fixture = Fixture::bare();
    fixture.write("src/main.rs", "fn main() {\n    needle();\n}\n");
    fixture.write("src/lib.rs", "// Needle\n// needle needle\n");
    fixture.write("ignored/x.rs", "needle\n");
    fixture.write("binary.rs", b"needle\0needle\n");
    fixture.write("late.dat", format!("needle\n{}needle\0\n", "filler\n".repeat(20_000)));
    fixture.write(".github/workflows/ci.yml", "needle: 1\n");
    fixture.write(".git/needle.rs", "needle\n");
    fixture.write(".gitignore", "ignored/\n");
    fixture
}

fn search(fixture: &Fixture, call: Grep) -> Grepped {
    answer!(fixture.call(Call::Grep(call)), Answer::Grep)
}

fn list(fixture: &Fixture, pattern: &str, path: Option<&str>) -> Vec<String> {
    let call = Glob { pattern: pattern.to_owned(), path: path.map(str::to_owned) };
    answer!(fixture.call(Call::Glob(call)), Answer::Glob).paths
}

#[test]
fn grep_leaves_out_ignored_and_binary_files_and_git() {
    let fixture = fixture();
    let found = search(&fixture, grep("needle"));
    assert_eq!(
        found.text,
        ".github/workflows/ci.yml:1:needle: 1\nsrc/lib.rs:2:// needle needle\nsrc/main.rs:2:    needle();\n"
    );
    assert_eq!((found.matches, found.files, found.cut), (3, 3, false));
    let files = search(&fixture, Grep { mode: GrepMode::Files, glob: Some("*.rs".to_owned()), ..grep("needle") });
    assert_eq!(files.text, "src/lib.rs\nsrc/main.rs\n");
    let count = search(
        &fixture,
        Grep { mode: GrepMode::Count, ignore_case: true, path: Some("src".to_owned()), ..grep("needle") },
    );
    assert_eq!(count.text, "src/lib.rs:2\nsrc/main.rs:1\n");
    let context = search(&fixture, Grep { context: 1, path: Some("src/main.rs".to_owned()), ..grep("needle") });
    assert_eq!(context.text, "src/main.rs-1-fn main() {\nsrc/main.rs:2:    needle();\nsrc/main.rs-3-}\n");
}

#[test]
fn grep_reports_that_there_are_more_matches() {
    let fixture = fixture();
    fixture.write("many", "needle\n".repeat(200));
    let found = search(&fixture, grep("needle"));
    assert!(found.cut && found.text.contains("There are more"));
    assert_eq!(found.matches, 100);
    let exact = search(&fixture, Grep { limit: Some(200), path: Some("many".to_owned()), ..grep("needle") });
    assert_eq!((exact.matches, exact.cut), (200, false));
    let one = search(&fixture, Grep { mode: GrepMode::Files, limit: Some(1), ..grep("needle") });
    assert_eq!((one.files, one.cut), (1, true));
    let at_the_limit = search(&fixture, Grep { limit: Some(1), glob: Some("*.rs".to_owned()), ..grep("needle") });
    assert_eq!((at_the_limit.matches, at_the_limit.cut), (1, true));
    fixture.write("wide", format!("needle{}", "x".repeat(1_000)));
    assert!(
        search(&fixture, Grep { path: Some("wide".to_owned()), ..grep("needle") }).text.contains("more characters")
    );
}

#[test]
fn a_malformed_or_too_large_pattern_is_refused() {
    let fixture = fixture();
    let failure = fixture.call(Call::Grep(grep("a(b"))).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Invalid);
    assert!(
        failure.message.contains("a(b\n     ^") || failure.message.contains("unclosed group"),
        "{}",
        failure.message
    );
    for pattern in [r"(\w{1000}){1000}", "a\nb", &"(".repeat(100_000)] {
        assert_eq!(kind(fixture.call(Call::Grep(grep(pattern)))), ErrorKind::Invalid);
    }
    let glob = Glob { pattern: "a[".to_owned(), path: None };
    assert_eq!(kind(fixture.call(Call::Glob(glob))), ErrorKind::Invalid);
}

#[test]
fn glob_lists_the_last_modified_first_without_ignored_files() {
    let fixture = fixture();
    let hour = Duration::from_secs(3_600);
    for (path, age) in [("src/main.rs", 1), ("src/lib.rs", 2), ("binary.rs", 3)] {
        let modified = SystemTime::UNIX_EPOCH + hour * (100 - age);
        File::options().write(true).open(fixture.path(path)).unwrap().set_modified(modified).unwrap();
    }
    assert_eq!(list(&fixture, "*.rs", None), ["src/main.rs", "src/lib.rs", "binary.rs"]);
    assert_eq!(list(&fixture, "*/*.rs", None), ["src/main.rs", "src/lib.rs"]);
    assert_eq!(list(&fixture, "./{binary,none}.rs", None), ["binary.rs"]);
    assert_eq!(list(&fixture, "*/lib.*", Some(".")), ["src/lib.rs"]);
    assert_eq!(list(&fixture, "lib.rs", Some("src")), ["src/lib.rs"]);
    assert_eq!(list(&fixture, "**/*.yml", None), [".github/workflows/ci.yml"]);
    let absolute = format!("{}/src/l*", fixture.workspace().display());
    assert_eq!(list(&fixture, &absolute, None), ["src/lib.rs"]);
    for number in 0..101 {
        fixture.write(&format!("many/{number}.txt"), "");
    }
    let call = Glob { pattern: "many/*".to_owned(), path: None };
    let many = answer!(fixture.call(Call::Glob(call)), Answer::Glob);
    assert!(many.cut && many.text.contains("100 of 101"));
    assert_eq!((many.paths.len(), many.total), (100, 101));
}

#[test]
fn a_survey_describes_the_repository_without_ignored_files() {
    let fixture = fixture();
    for (path, content) in [
        ("package.json", "{}"),
        ("deep/er/Cargo.toml", "[package]"),
        ("too/deep/to/be/Cargo.toml", "[package]"),
        ("ignored/package.json", "{}"),
        ("README.md", "x"),
        ("LICENSE", "MIT"),
        ("a.ipynb", "{}"),
    ] {
        fixture.write(path, content);
    }
    fixture.write("requirements-dev.txt", "x".repeat(20_000));
    fixture.write("setup.py", format!("x{}", "é".repeat(10_000)));
    let survey = answer!(fixture.call(Call::Survey(Survey {})), Answer::Survey);
    let manifests: Vec<(&str, usize, bool)> =
        survey.manifests.iter().map(|manifest| (manifest.path.as_str(), manifest.text.len(), manifest.cut)).collect();
    assert_eq!(
        manifests,
        [
            ("README.md", 1, false),
            ("package.json", 2, false),
            ("requirements-dev.txt", 16_384, true),
            // One byte less than the limit, because an `é` of two bytes would be cut in two.
            ("setup.py", 16_383, true),
            (".github/workflows/ci.yml", 10, false),
            ("deep/er/Cargo.toml", 9, false),
        ]
    );
    assert_eq!((survey.licenses, survey.notebooks, survey.empty), (vec!["LICENSE".to_owned()], 1, false));
    let rust = survey.extensions.iter().find(|extension| extension.extension == "rs").unwrap();
    assert_eq!(rust.files, 3);
    assert!(
        survey.tree.contains(&"src/main.rs".to_owned()) && !survey.tree.iter().any(|path| path.contains("ignored/"))
    );
    assert!(answer!(Fixture::bare().call(Call::Survey(Survey {})), Answer::Survey).empty);
}
