//! Kinds of events: their names, and who writes them.

use domain::EventBody;
use regex_lite::Regex;

use super::{code_of, sources};

const FAMILY: &str = "shared/domain/src/event/";

/// The kinds with the types that carry them, as they are declared.
fn kinds() -> Vec<(String, String)> {
    let declared = Regex::new(r#"(?m)^    ([A-Z]\w*) = "([a-z_.]+)",$"#).unwrap();
    let code = code_of(&format!("{FAMILY}mod.rs"));
    let kinds: Vec<_> = declared.captures_iter(&code).map(|found| (found[2].to_owned(), found[1].to_owned())).collect();
    assert_eq!(kinds.iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>(), EventBody::KINDS);
    kinds
}

fn capitalized(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_ascii_uppercase() + rest
}

#[test]
fn the_type_of_an_event_has_the_words_of_its_kind() {
    for (kind, name) in kinds() {
        assert_eq!(name, kind.split(['.', '_']).map(capitalized).collect::<String>(), "{kind}");
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
    for (kind, name) in kinds() {
        assert!(code.iter().flat_map(|code| code.lines()).any(|line| makes(line, &name)), "nothing writes {kind}");
    }
}
