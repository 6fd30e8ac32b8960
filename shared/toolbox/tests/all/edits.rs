use proptest::prelude::*;
use toolbox::ErrorKind;

use crate::fixture::{Fixture, kind};

struct Case {
    name: &'static str,
    before: &'static str,
    old: &'static str,
    new: &'static str,
    after: &'static str,
}

const CASES: &[Case] = &[
    Case { name: "plain", before: "a\nb\nc\n", old: "b", new: "B", after: "a\nB\nc\n" },
    Case { name: "deletion", before: "a\nb\nc\n", old: "b\n", new: "", after: "a\nc\n" },
    Case { name: "no final newline", before: "a\nb", old: "b", new: "c", after: "a\nc" },
    Case {
        name: "CRLF in the file only",
        before: "a\r\nb\r\nc\r\n",
        old: "a\nb\n",
        new: "a\nx\ny\n",
        after: "a\r\nx\r\ny\r\nc\r\n",
    },
    Case { name: "CRLF in the call only", before: "a\nb\nc\n", old: "a\r\nb", new: "a\r\nx", after: "a\nx\nc\n" },
    Case {
        name: "mixed, context keeps its endings",
        before: "a\r\nb\nc\r\nd\n",
        old: "a\nb\nc\nd",
        new: "a\nb\nX\nd",
        after: "a\r\nb\nX\r\nd\n",
    },
    Case {
        name: "mixed, new line as its neighbour",
        before: "a\r\nb\nc\n",
        old: "b\n",
        new: "b\nn\n",
        after: "a\r\nb\nn\nc\n",
    },
    Case { name: "byte order mark", before: "\u{feff}a\r\nb", old: "a\nb", new: "z\nb", after: "\u{feff}z\r\nb" },
    Case { name: "lone carriage return", before: "a\rb\nc", old: "c", new: "d", after: "a\rb\nd" },
    Case { name: "join CRLF lines", before: "a\r\nb\r\n", old: "a\nb", new: "ab", after: "ab\r\n" },
    Case { name: "more than ASCII", before: "é→ü\n", old: "→", new: "⇒", after: "é⇒ü\n" },
];

#[test]
fn an_edit_replaces_exactly_the_text_it_names() {
    for case in CASES {
        let fixture = Fixture::bare();
        fixture.write("f", case.before);
        fixture.str_replace("f", case.old, case.new).unwrap();
        assert_eq!(String::from_utf8(fixture.read("f")).unwrap(), case.after, "{}", case.name);
    }
}

#[test]
fn an_edit_that_does_not_apply_says_why_and_changes_nothing() {
    let fixture = Fixture::bare();
    let content = "fn main() {\n    let total = 1;\n}\n\nlet x = 1;\nlet x = 1;\n";
    fixture.write("f.rs", content);
    let cases = [
        ("let x = 1;", "y", ErrorKind::Ambiguous, "lines 5, 6"),
        ("let  total = 1;", "y", ErrorKind::NoMatch, "white space"),
        ("FN MAIN", "y", ErrorKind::NoMatch, "upper and lower case"),
        ("     2\t    let total = 1;", "y", ErrorKind::NoMatch, "line numbers"),
        ("let total = 2;", "y", ErrorKind::NoMatch, "     2\t    let total = 1;"),
        ("", "y", ErrorKind::Invalid, "insert"),
        ("let x", "let x", ErrorKind::Invalid, "the same"),
        ("a\r\n", "a\n", ErrorKind::Invalid, "the same"),
    ];
    for (old, new, kind, word) in cases {
        let failure = fixture.str_replace("f.rs", old, new).unwrap_err();
        assert_eq!(failure.kind, kind, "{old:?}");
        assert!(failure.message.contains(word), "{old:?}: {}", failure.message);
    }
    assert_eq!(fixture.read("f.rs"), content.as_bytes());
    assert_eq!(kind(fixture.str_replace("missing", "a", "b")), ErrorKind::Missing);
    fixture.write("binary", b"\x7fELF\0\0");
    assert_eq!(kind(fixture.str_replace("binary", "ELF", "b")), ErrorKind::WrongType);
}

#[test]
fn overlapping_occurrences_are_ambiguous() {
    let fixture = Fixture::bare();
    fixture.write("f", "aaa");
    assert_eq!(kind(fixture.str_replace("f", "aa", "b")), ErrorKind::Ambiguous);
}

#[test]
fn an_edit_keeps_the_mode_and_bytes_that_are_not_utf_8() {
    let fixture = Fixture::bare();
    fixture.write("f", b"caf\xe9\r\nold\r\n\xff");
    fixture.set_mode("f", 0o751);
    let edited = fixture.str_replace("f", "old", "new").unwrap();
    assert_eq!(fixture.read("f"), b"caf\xe9\r\nnew\r\n\xff");
    assert_eq!(fixture.mode("f"), 0o751);
    assert_eq!((edited.additions, edited.deletions), (1, 1));
    assert!(edited.text.contains("     1\tcaf\\xE9\n     2\tnew\n"), "{}", edited.text);
}

#[test]
fn an_edit_changes_no_hard_link_and_leaves_no_temporary_file() {
    let fixture = Fixture::bare();
    fixture.write("f", "old");
    std::fs::hard_link(fixture.path("f"), fixture.state().with_file_name("outside")).unwrap();
    fixture.str_replace("f", "old", "new").unwrap();
    assert_eq!(std::fs::read(fixture.state().with_file_name("outside")).unwrap(), b"old");
    assert_eq!(std::fs::read_dir(fixture.workspace()).unwrap().count(), 1);
}

#[test]
fn inserted_lines_get_the_endings_of_the_file() {
    let cases = [
        ("a\nb\n", 0, "x", "x\na\nb\n"),
        ("a\nb\n", 1, "x\n", "a\nx\nb\n"),
        ("a\nb\n", 2, "x", "a\nb\nx\n"),
        ("a\nb", 2, "x\n", "a\nb\nx"),
        ("a\r\nb\r\n", 1, "x\ny", "a\r\nx\r\ny\r\nb\r\n"),
        ("a\r\nb", 2, "x", "a\r\nb\r\nx"),
        ("\u{feff}a\n", 0, "x", "\u{feff}x\na\n"),
        ("", 0, "x", "x\n"),
    ];
    for (before, line, text, after) in cases {
        let fixture = Fixture::bare();
        fixture.write("f", before);
        fixture.insert("f", line, text).unwrap();
        assert_eq!(String::from_utf8(fixture.read("f")).unwrap(), after, "{before:?} {line} {text:?}");
    }
    let fixture = Fixture::bare();
    fixture.write("f", "a\nb\n");
    let failure = fixture.insert("f", 3, "x").unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Range);
    assert!(failure.message.contains("2 lines"), "{}", failure.message);
    assert_eq!(fixture.read("f"), b"a\nb\n");
}

#[test]
fn a_file_must_be_read_before_it_is_overwritten() {
    let fixture = Fixture::bare();
    fixture.create("src/deep/new.txt", "1\n2\n3\n").unwrap();
    // The model knows what it wrote itself.
    fixture.create("src/deep/new.txt", "4\n5\n6\n").unwrap();
    // Another process changes the file.
    fixture.write("src/deep/new.txt", "7\n8\n9\n");
    assert_eq!(kind(fixture.create("src/deep/new.txt", "x")), ErrorKind::Unseen);
    // Viewing a part is not enough; viewing all parts is.
    fixture.view_range("src/deep/new.txt", Some([1, 2])).unwrap();
    assert_eq!(kind(fixture.create("src/deep/new.txt", "x")), ErrorKind::Unseen);
    assert_eq!(fixture.read("src/deep/new.txt"), b"7\n8\n9\n");
    fixture.view_range("src/deep/new.txt", Some([3, -1])).unwrap();
    fixture.set_mode("src/deep/new.txt", 0o755);
    fixture.create("src/deep/new.txt", "x").unwrap();
    assert_eq!((fixture.read("src/deep/new.txt"), fixture.mode("src/deep/new.txt")), (b"x".to_vec(), 0o755));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn an_edit_changes_the_named_text_and_nothing_else(
        before in "(a|b|\n|\r\n){0,24}", old in "[ab\n]{0,4}", new in "[ab\n]{0,4}"
    ) {
        let fixture = Fixture::bare();
        fixture.write("f", &before);
        let normal = before.replace("\r\n", "\n");
        let occurrences: Vec<usize> = (0..normal.len()).filter(|at| !old.is_empty() && normal[*at..].starts_with(&old)).collect();
        let outcome = fixture.str_replace("f", &old, &new);
        let after = String::from_utf8(fixture.read("f")).unwrap();
        if let ([at], true) = (occurrences.as_slice(), old != new) {
            prop_assert!(outcome.is_ok());
            let end = at + old.len();
            prop_assert_eq!(after.replace("\r\n", "\n"), format!("{}{new}{}", &normal[..*at], &normal[end..]));
            // The lines before and after the named text are the same byte for byte.
            let lines: Vec<&str> = before.split_inclusive('\n').collect();
            let line_of = |position: usize| normal[..position].matches('\n').count();
            prop_assert!(after.starts_with(&lines[..line_of(*at)].concat()));
            prop_assert!(after.ends_with(&lines.iter().skip(line_of(end) + 1).copied().collect::<String>()));
        } else {
            prop_assert!(outcome.is_err());
            prop_assert_eq!(after, before);
        }
    }
}
