//! The lines of a change, and its patch, against git.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use domain::{Incomparable, LineCounts, LineDiff};
use proptest::prelude::*;

use crate::support::Home;

/// Two versions of a file, which share many of their lines.
fn versions() -> impl Strategy<Value = (String, String)> {
    let version = || "([xyz]?\r?\n){0,12}[xyz]?";
    (version(), version(), version(), "([ab]\n){0,6}").prop_map(|(head, tail, other, inserted)| {
        (format!("{head}\n{tail}"), format!("{head}\n{inserted}{tail}{other}"))
    })
}

/// What is left of both versions beside their longest common subsequence of lines, by the textbook.
fn smallest_change(before: &str, after: &str) -> LineCounts {
    let (before, after): (Vec<&str>, Vec<&str>) =
        (before.split_inclusive('\n').collect(), after.split_inclusive('\n').collect());
    let mut common = vec![vec![0; after.len() + 1]; before.len() + 1];
    for (row, old) in before.iter().enumerate() {
        for (column, new) in after.iter().enumerate() {
            common[row + 1][column + 1] = match old == new {
                true => common[row][column] + 1,
                false => common[row][column + 1].max(common[row + 1][column]),
            };
        }
    }
    let common = common[before.len()][after.len()];
    LineCounts { additions: (after.len() - common) as u64, deletions: (before.len() - common) as u64 }
}

/// Runs git outside any repository.
fn git(directory: &Path, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    git.args(arguments).current_dir(directory).env("GIT_CEILING_DIRECTORIES", directory);
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    let output = git.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "git {arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    /// Git nearly always finds the smallest difference too, but leaves common lines out before it looks.
    #[test]
    fn a_change_is_the_smallest_one_and_git_applies_its_patch(
        files in proptest::collection::vec(prop_oneof![versions(), ("(.|[\r\n]){0,40}", "(.|[\r\n]){0,40}")], 1..40),
    ) {
        let home = Home::new();
        let [old_directory, new_directory] = ["before", "after"].map(|side| home.beside(side));
        for directory in [&old_directory, &new_directory] {
            std::fs::create_dir_all(directory).unwrap();
        }
        let (mut ours, mut smallest, mut patch) = (LineCounts::default(), LineCounts::default(), String::new());
        for (number, (before, after)) in files.iter().enumerate() {
            match LineDiff::compare(before.as_bytes(), after.as_bytes(), Instant::now() + LineDiff::TIMEOUT) {
                Ok(difference) => {
                    ours += difference.counts();
                    smallest += smallest_change(before, after);
                    patch += &difference.patch(&format!("a/{number}"), &format!("b/{number}"));
                }
                Err(incomparable) => {
                    prop_assert_eq!(incomparable, Incomparable::Binary);
                    continue;
                }
            }
            std::fs::write(old_directory.join(number.to_string()), before).unwrap();
            std::fs::write(new_directory.join(number.to_string()), after).unwrap();
        }
        let top = old_directory.parent().unwrap();
        let counted = git(top, &["diff", "--no-index", "--numstat", "--minimal", "--no-renames", "before", "after"]);
        let column = |number: usize| -> u64 {
            counted.lines().filter_map(|line| line.split('\t').nth(number)?.parse::<u64>().ok()).sum()
        };
        prop_assert_eq!(ours, smallest);
        let larger = column(0) - ours.additions;
        prop_assert_eq!(column(1), ours.deletions + larger, "git says +{} -{} of {:?}", column(0), column(1), ours);
        if !patch.is_empty() {
            std::fs::write(home.beside("patch"), patch).unwrap();
            git(&old_directory, &["apply", "--whitespace=nowarn", "../patch"]);
        }
        for (number, (_, after)) in files.iter().enumerate() {
            if let Ok(patched) = std::fs::read_to_string(old_directory.join(number.to_string())) {
                prop_assert_eq!(&patched, after);
            }
        }
    }
}

#[test]
fn files_that_differ_everywhere_are_compared_in_time() {
    let version = |seed: u32| -> String {
        (0..20_000_u32).map(|line| format!("{}\n", line.wrapping_mul(seed).wrapping_mul(line) % 97)).collect()
    };
    let (before, after) = (version(31), version(57));
    let start = Instant::now();
    let difference = LineDiff::compare(before.as_bytes(), after.as_bytes(), start + LineDiff::TIMEOUT).unwrap();
    let counts = difference.counts();
    assert_eq!(counts.additions, counts.deletions, "both have as many lines");
    assert!(start.elapsed() < 10 * LineDiff::TIMEOUT);
    let too_long = before + "x\n";
    let refused = LineDiff::compare(b"", too_long.as_bytes(), start + LineDiff::TIMEOUT);
    assert_eq!(refused.err(), Some(Incomparable::Lines));
}
