//! What documents name exists: files, checks, packages, commands of the program.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::{repository_files, top};
use crate::support::Home;

fn documents() -> Vec<String> {
    repository_files().into_iter().filter(|file| file.ends_with(".md") && !is_material(file)).collect()
}

/// Prompts and sample projects speak of other repositories.
fn is_material(file: &str) -> bool {
    file.contains("/prompts/") || file.contains("fixtures/") || file.contains("/demo/")
}

fn read(file: &str) -> String {
    std::fs::read_to_string(top().join(file)).unwrap()
}

/// The code in a document: spans between backticks, and the lines of blocks.
fn code(markdown: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut block = false;
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            block = !block;
        } else if block {
            found.push(line.split(" #").next().unwrap_or_default().trim().to_owned());
        } else {
            found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}

/// Words of a document that can only be meant as paths from the top of the repository.
fn paths(markdown: &str) -> Vec<String> {
    let rooms = ["shared/", "infra/", "functions/", "tests/", "docs/", ".github/", ".ci/"];
    let words = code(markdown).into_iter().flat_map(|code| {
        code.split([' ', '(', ')', ',', ';', '"'])
            .map(|word| word.trim_end_matches([':', '.']).to_owned())
            .collect::<Vec<_>>()
    });
    words.filter(|word| rooms.iter().any(|room| word.starts_with(room))).collect()
}

/// Where relative links of a document lead.
fn links(file: &str, markdown: &str) -> Vec<PathBuf> {
    let here = Path::new(file).parent().unwrap_or(Path::new(""));
    let targets = markdown.split("](").skip(1).filter_map(|after| after.split(')').next());
    let relative = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    relative.map(|target| normal(&here.join(target.split('#').next().unwrap_or_default()))).collect()
}

fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => assert!(normal.pop(), "{} leads out of the repository", path.display()),
            Component::CurDir => {}
            Component::Normal(_) | Component::RootDir | Component::Prefix(_) => normal.push(part),
        }
    }
    normal
}

#[test]
fn every_path_that_a_document_names_exists() {
    let mut named = 0;
    for file in documents() {
        let text = read(&file);
        for path in paths(&text) {
            // What a recipe is about to create stands for all of its kind.
            if text.contains(&format!("Create `{path}`")) {
                continue;
            }
            assert!(top().join(&path).exists(), "{file} names {path}, which does not exist");
            named += 1;
        }
        for link in links(&file, &text) {
            assert!(top().join(&link).exists(), "{file} links {}, which does not exist", link.display());
            named += 1;
        }
    }
    assert!(named > 50, "only {named} paths were found in documents");
}

#[test]
fn every_check_and_package_that_a_document_names_exists() {
    let script = read("tests/run");
    let folders = repository_files().into_iter().filter(|file| file.ends_with("/Cargo.toml"));
    let packages: BTreeSet<String> = folders.filter_map(|file| file.rsplit('/').nth(1).map(str::to_owned)).collect();
    for file in documents() {
        for code in code(&read(&file)) {
            let words: Vec<&str> = code.split_whitespace().collect();
            if words.first() == Some(&"tests/run") {
                for check in words.iter().skip(1).filter(|word| word.chars().all(|c| c.is_ascii_lowercase())) {
                    let known = script.contains(&format!("check_{check}()")) || *check == "quick";
                    assert!(known, "{file} names the check {check}, which does not exist");
                }
            }
            for pair in words.windows(2).filter(|pair| words[0] == "cargo" && ["-p", "--package"].contains(&pair[0])) {
                assert!(packages.contains(pair[1]), "{file} names the package {}, which does not exist", pair[1]);
            }
        }
    }
}

#[test]
fn every_command_of_the_program_that_a_document_names_exists() {
    let home = Home::new();
    let mut commands: BTreeSet<(String, String)> = BTreeSet::new();
    for file in documents() {
        for code in code(&read(&file)) {
            let Some(after) = code.strip_prefix("backspace ").or_else(|| code.strip_prefix("cargo run -- ")) else {
                continue;
            };
            let is_command =
                |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-');
            let words: Vec<&str> = after.split_whitespace().take(2).take_while(is_command).collect();
            commands.insert((words.join(" "), file.clone()));
        }
    }
    assert!(commands.len() > 10, "{commands:?}");
    for (command, file) in commands {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let ran = home.run(&words);
        // A word that is not a command is an argument of the one before it.
        assert!(ran.code == 0, "{file} names `backspace {command}`, which does not exist: {}", ran.stderr);
    }
}
