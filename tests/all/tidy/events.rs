//! Kinds of events: their names, and who writes them.

use domain::EventBody;
use regex_lite::Regex;

use super::{code_of, sources};

const FAMILY: &str = "shared/domain/src/event/";

/// A line of the list of events.
struct Declaration {
    name: String,
    constant: String,
    kind: String,
}

fn declarations() -> Vec<Declaration> {
    let declared = Regex::new(r#"(?m)^    ([A-Z]\w*) = ([A-Z_]+) = "([a-z_.]+)",$"#).unwrap();
    let code = code_of(&format!("{FAMILY}mod.rs"));
    let declarations: Vec<_> = declared
        .captures_iter(&code)
        .map(|found| Declaration { name: found[1].into(), constant: found[2].into(), kind: found[3].into() })
        .collect();
    assert_eq!(declarations.iter().map(|declared| declared.kind.as_str()).collect::<Vec<_>>(), EventBody::KINDS);
    declarations
}

fn capitalized(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_ascii_uppercase() + rest
}

#[test]
fn the_type_and_the_constant_of_an_event_have_the_words_of_its_kind() {
    for Declaration { name, constant, kind } in declarations() {
        assert_eq!(name, kind.split(['.', '_']).map(capitalized).collect::<String>(), "{kind}");
        assert_eq!(constant, kind.replace('.', "_").to_ascii_uppercase(), "{kind}");
    }
}

/// Whether a line makes a value of the type, as opposed to declaring it. Patterns over events bind the whole of them.
fn makes(line: &str, name: &str) -> bool {
    let text = format!("{name} {{");
    let declares = ["struct ", "impl ", "enum ", "-> "].iter().any(|word| line.contains(&format!("{word}{text}")));
    let whole = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    !declares && line.match_indices(&text).any(|(at, _)| whole(at))
}

#[test]
fn every_kind_of_event_is_written_by_somebody() {
    let code: Vec<String> =
        sources().into_iter().filter(|file| !file.starts_with(FAMILY)).map(|file| code_of(&file)).collect();
    for Declaration { name, kind, .. } in declarations() {
        assert!(code.iter().flat_map(|code| code.lines()).any(|line| makes(line, &name)), "nothing writes {kind}");
    }
}
