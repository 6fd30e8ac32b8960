//! Seams inside crates: what may import what, and what is done in one place only.

use super::{code_of, sources};

/// Lines of the files below `directory` that hold one of `texts`, as `file: line`.
fn lines_with(directory: &str, texts: &[&str]) -> Vec<String> {
    let files = sources().into_iter().filter(|file| file.starts_with(directory));
    let lines = files.flat_map(|file| {
        let code = code_of(&file);
        let found = code.lines().filter(|line| texts.iter().any(|text| line.contains(text)));
        found.map(|line| format!("{file}: {}", line.trim())).collect::<Vec<_>>()
    });
    lines.collect()
}

#[test]
fn no_step_imports_another() {
    let imports = lines_with("shared/agent/src/steps/", &["super::", "crate::steps"]);
    let others: Vec<String> = imports.into_iter().filter(|line| !is_own_module(line)).collect();
    assert_eq!(others, Vec::<String>::new(), "what several steps need stands beside them");
}

/// Whether a line of a file in a step's own directory names that step's module, its parent.
fn is_own_module(line: &str) -> bool {
    let (file, code) = line.split_once(": ").unwrap();
    let is_part = file.split('/').count() == 6 && !file.ends_with("/mod.rs");
    is_part && !code.contains("super::super::") && !code.contains("crate::steps")
}

#[test]
fn domain_exports_its_names_one_by_one() {
    let globs = lines_with("shared/domain/src/", &["::*;"]);
    assert_eq!(globs, Vec::<String>::new());
}

#[test]
fn sandboxes_are_terminated_in_one_place() {
    let calls = lines_with("shared/", &["sandboxes.terminate("]);
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert!(calls[0].starts_with("shared/domain/src/effects.rs"), "{calls:?}");
}
