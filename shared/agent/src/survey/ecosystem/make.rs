//! Make and just: targets with common names.

use crate::survey::evidence::Evidence;
use crate::survey::repository::{Directory, Repository};

pub(crate) fn detect(repository: &Repository<'_>, evidence: &mut Evidence) {
    for (names, program) in
        [(["Makefile", "makefile", "GNUmakefile"], "make"), (["justfile", "Justfile", ".justfile"], "just")]
    {
        let Some(file) = repository.in_directory(Directory::ROOT).find(|manifest| names.contains(&manifest.name))
        else {
            continue;
        };
        for target in targets(file.text) {
            let command = format!("{program} {target}");
            match target {
                "deps" | "setup" | "bootstrap" => evidence.install(Directory::ROOT, &command),
                "build" => evidence.build(Directory::ROOT, &command),
                "test" | "tests" | "check" | "test-unit" | "unit" => evidence.test(Directory::ROOT, &command),
                "lint" | "validate" | "typecheck" | "fmt-check" | "format-check" | "vet" => {
                    evidence.lint(Directory::ROOT, &command);
                }
                _ => {}
            }
        }
    }
}

/// The first target of each rule: a line that starts with a letter in the first column and has a colon, unless it assigns a
/// variable.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let (head, rest) = line.split_once(':')?;
        let is_valid_start = head.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
        let target = head.split_whitespace().next()?;
        (is_valid_start && !rest.starts_with('=') && !head.contains('=')).then_some(target)
    })
}
