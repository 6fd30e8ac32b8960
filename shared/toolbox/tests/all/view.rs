use toolbox::{Call, ErrorKind, View};

use crate::fixture::{Fixture, answer, kind};

#[test]
fn a_file_or_a_range_of_it_is_shown_with_line_numbers() {
    let fixture = Fixture::bare();
    fixture.write("f", "one\r\ntwo\nthree");
    let whole = fixture.view("f").unwrap();
    assert_eq!(whole.text, "     1\tone\n     2\ttwo\n     3\tthree\n");
    assert_eq!((whole.lines, whole.cut), (Some(3), false));
    assert_eq!(fixture.view_range("f", Some([2, -1])).unwrap().text, "     2\ttwo\n     3\tthree\n");
    assert_eq!(fixture.view_range("f", Some([2, 2])).unwrap().text, "     2\ttwo\n");
    for range in [[0, 1], [4, -1], [2, 1], [1, 4], [-1, 1], [1, -2]] {
        let failure = fixture.view_range("f", Some(range)).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::Range, "{range:?}");
        assert!(failure.message.contains("3 lines"), "{}", failure.message);
    }
}

#[test]
fn a_cut_view_says_how_to_see_the_rest() {
    let fixture = Fixture::bare();
    fixture.write("long", (1..=2_500).map(|line| format!("{line}\n")).collect::<String>());
    let viewed = fixture.view("long").unwrap();
    assert!(
        viewed.cut && viewed.text.ends_with("[Lines 1 to 2000 of 2500. See the rest with view_range [2001, 2500].]\n")
    );
    let call = View { path: "long".to_owned(), view_range: Some([10, 20]), max_characters: Some(30) };
    let few = answer!(fixture.call(Call::View(call)), toolbox::Answer::View);
    assert_eq!(
        few.text,
        "    10\t10\n    11\t11\n    12\t12\n[Lines 10 to 12 of 2500. See the rest with view_range [13, 20].]\n"
    );
    fixture.write("wide", "x".repeat(2_010));
    assert!(fixture.view("wide").unwrap().text.ends_with("x… [10 more characters]\n"));
}

#[test]
fn an_empty_binary_or_undecodable_file_is_described() {
    let fixture = Fixture::bare();
    fixture.write("empty", "");
    fixture.write("image", b"\x89PNG\r\n\x1a\n\0\0");
    fixture.write("latin", b"caf\xe9\n");
    assert_eq!(fixture.view("empty").unwrap().text, "empty is empty.");
    assert!(fixture.view("image").unwrap().text.contains("a PNG image, 10 bytes"));
    let latin = fixture.view("latin").unwrap().text;
    assert!(latin.starts_with("     1\tcaf\\xE9\n[Not all of the file is UTF-8"), "{latin}");
    assert_eq!(kind(fixture.view("missing")), ErrorKind::Missing);
    assert_eq!(kind(fixture.view("empty/below")), ErrorKind::WrongType);
}

#[test]
fn a_directory_is_listed_without_hidden_and_ignored_entries() {
    let fixture = Fixture::bare();
    for path in ["b.txt", "a/b/c/deep", "a/file", ".hidden", "target/out", "a/b/skip.log"] {
        fixture.write(path, "12345");
    }
    fixture.write(".gitignore", "target/\n*.log\n");
    let text = fixture.view(".").unwrap().text;
    let listed: Vec<&str> = text.lines().skip(1).map(str::trim).collect();
    assert_eq!(listed, ["a/", "a/b/", "5 B a/file", "5 B b.txt"]);
    // The rules of the directories above apply; an ignored directory that is named itself is shown.
    assert!(!fixture.view("a/b").unwrap().text.contains("skip.log"));
    assert!(fixture.view("target").unwrap().text.contains("5 B target/out"));
}
