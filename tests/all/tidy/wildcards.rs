//! No `_` over an enum of ours: a new variant has to be looked at wherever the others are told apart.

use std::collections::BTreeSet;

use regex_lite::Regex;

use super::{code_of, sources};

/// The names of enums of this repository.
fn our_enums() -> BTreeSet<String> {
    let definition = Regex::new(r"(?m)^\s*(?:pub(?:\([a-z]+\))? )?enum ([A-Z]\w*)").unwrap();
    let names = sources().into_iter().flat_map(|file| {
        let code = code_of(&file);
        definition.captures_iter(&code).map(|found| found[1].to_owned()).collect::<Vec<_>>()
    });
    names.collect()
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Modules in whose enums the name may stand; an `io::ErrorKind` is none of ours.
const OURS: &[&str] = &["asl", "crate", "domain", "sandbox", "sandbox_protocol", "super", "supervisor", "toolbox"];

/// Lines of a file with a `_` arm beside arms that name a variant of one of `enums`. Formatted code has all arms of a match
/// at one depth, below the line that opens it. Matches over tuples are left out: there `_` often is the only readable way.
fn hidden(code: &str, enums: &BTreeSet<String>) -> Vec<usize> {
    let variant = Regex::new(r"(?:\b([a-z_]+)::)?\b([A-Z]\w*)::[A-Z]").unwrap();
    let names_ours = |line: &str| {
        let pattern = line.split(" => ").next().unwrap_or_default().trim_start();
        // A guard may compare with a variant where the match is over something else.
        let pattern = pattern.split(" if ").next().unwrap_or_default();
        let ours = |found: &regex_lite::Captures<'_>| {
            let module = found.get(1).map(|module| module.as_str());
            module.is_none_or(|module| OURS.contains(&module)) && (&found[2] == "Self" || enums.contains(&found[2]))
        };
        !pattern.starts_with('(') && variant.captures_iter(pattern).any(|found| ours(&found))
    };
    let lines: Vec<&str> = code.lines().collect();
    let catch_all = lines.iter().enumerate().filter(|(_, line)| line.trim_start().starts_with("_ => "));
    let hides = catch_all.filter(|(at, line)| {
        let depth = indent(line);
        let arms = lines[..*at].iter().rev().filter(|line| !line.trim().is_empty());
        arms.take_while(|line| indent(line) >= depth).any(|line| indent(line) == depth && names_ours(line))
    });
    hides.map(|(at, _)| at + 1).collect()
}

#[test]
fn no_match_over_an_enum_of_ours_has_a_wildcard() {
    let enums = our_enums();
    let found = sources()
        .into_iter()
        .flat_map(|file| hidden(&code_of(&file), &enums).into_iter().map(move |line| format!("{file}:{line}")));
    assert_eq!(found.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn a_wildcard_is_seen_beside_a_variant_and_not_elsewhere() {
    let enums = BTreeSet::from(["Verdict".to_owned()]);
    let seen = "match verdict {\n    Verdict::Plan\n    | Verdict::Turn => {\n        1\n    }\n    _ => 2,\n}\n";
    assert_eq!(hidden(seen, &enums), [6]);
    let inner = "match verdict {\n    Verdict::Plan => match text {\n        \"a\" => 1,\n        _ => 2,\n    },\n}\n";
    assert_eq!(hidden(inner, &enums), [0; 0]);
    let answer = "match text {\n    \"a\" => Verdict::Plan,\n    _ => Verdict::Turn,\n}\n";
    assert_eq!(hidden(answer, &enums), [0; 0]);
}
