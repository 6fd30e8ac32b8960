//! Names that say what they mean to a reader from outside.

use std::collections::BTreeSet;

use regex_lite::Regex;

use super::{repository_files, sources, top};

/// Longest name of a test, in characters: what fits a line of a test run.
const MAX_TEST_NAME_CHARACTERS: usize = 70;

/// The inside of the sandbox is older than these rules.
const EXEMPT: &str = "infra/sandbox/";

/// Every source file, those of tests included.
fn rust_files() -> Vec<String> {
    repository_files()
        .into_iter()
        .filter(|file| file.ends_with(".rs") && !file.contains("fixtures") && !file.starts_with(EXEMPT))
        .collect()
}

/// What a pattern finds, with the file it is found in; the first group is the name.
fn found(pattern: &str, files: Vec<String>) -> BTreeSet<String> {
    let pattern = Regex::new(pattern).unwrap();
    let mut names = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(top().join(&file)).unwrap();
        names.extend(pattern.captures_iter(&text).map(|found| format!("{file}: {}", &found[1])));
    }
    names
}

fn none() -> BTreeSet<String> {
    BTreeSet::new()
}

#[test]
fn limits_are_called_max_and_min() {
    let pattern =
        r"(?m)^\s*(?:pub(?:\([a-z]+\))? )?const ((?:MOST|LONGEST|LARGEST|BIGGEST|FEWEST|SHORTEST|SMALLEST)(?:_\w+)?):";
    assert_eq!(found(pattern, rust_files()), none());
}

#[test]
fn no_type_has_a_name_that_fits_everything() {
    let pattern = r"(?m)^\s*(?:pub(?:\([a-z]+\))? )?(?:struct|enum|trait|type) (\w*(?:Manager|Helper|Helpers|Util|Utils|Data|Info))\b";
    // A package manager is called so by everybody.
    let named: BTreeSet<String> =
        found(pattern, sources()).into_iter().filter(|name| !name.ends_with(" PackageManager")).collect();
    assert_eq!(named, none());
    let vague = ["util", "utils", "helper", "helpers", "misc", "common"];
    let files =
        sources().into_iter().filter(|file| file.split('/').any(|part| vague.contains(&part.trim_end_matches(".rs"))));
    assert_eq!(files.collect::<BTreeSet<_>>(), none());
}

#[test]
fn nothing_is_called_by_a_word_that_was_given_up_for_the_fields() {
    // Each was replaced by a standard term, which the glossary of docs/ARCHITECTURE.md explains.
    let words = "Desk|Journal|Journals|Ledger|Masker|Scrubber|Strangers|Handover|Scene";
    let pattern = format!(r"(?m)^\s*(?:pub(?:\([a-z]+\))? )?(?:struct|enum|trait|type|mod) ({words})\b");
    assert_eq!(found(&pattern, sources()), none());
}

#[test]
fn tests_have_sentences_of_readable_length_as_names() {
    let names = found(r"#\[(?:tokio::)?test(?:\([^\]]*\))?\]\s*(?:#\[[^\]]*\]\s*)*(?:async )?fn (\w+)", rust_files());
    assert!(names.len() > 200, "only {} tests were found", names.len());
    let name = |line: &String| line.rsplit(' ').next().unwrap_or_default().to_owned();
    let bad: BTreeSet<String> = names
        .into_iter()
        .filter(|line| name(line).len() > MAX_TEST_NAME_CHARACTERS || name(line).starts_with("test_"))
        .collect();
    assert_eq!(bad, none());
}
