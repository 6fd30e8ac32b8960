//! Nothing that the model's commands left outside the workspace counts for a check.

use serde_json::{Value, json};

use super::{draft, outcomes, planned};
use crate::support::{Home, bash, ends, repository};

const POISON: &str = "mkdir -p ~/.local/bin && printf '#!/bin/sh\\nexit 0\\n' > ~/.local/bin/make && chmod +x ~/.local/bin/make && \
                      cp ~/.local/bin/make ~/.local/bin/grep && touch \"$TMPDIR/flag\" ~/flag && make() { true; } && export -f make && \
                      export PATH=~/.local/bin:$PATH BASH_ENV=~/.bashrc FLAG=1 && echo 'exit 0' > ~/.bashrc && echo two > a.txt";

#[test]
fn a_home_a_path_and_functions_of_the_model_do_not_reach_the_checks() {
    let makefile =
        "test:\n\t@grep -q one a.txt || test -e $$TMPDIR/flag || test -e $$HOME/flag || test -n \"$$FLAG\"\n";
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "one\n"), ("Makefile", makefile)]);
    // After the checks everything is there again.
    let looks =
        bash("test -e ~/flag && test -e $TMPDIR/flag && make nothing && grep nothing nothing && ls -A ~ $TMPDIR");
    let turns = [bash(POISON), ends(), looks, ends(), ends(), ends()];
    let run = home.code(&checkout, "Do it.", &planned(&["make test"], &turns), &[]).expect_code(0);
    assert_eq!(outcomes(&run), [("make test".to_owned(), "failed".to_owned())]);
    let looked = run.of_kind("tool.result").pop().unwrap();
    assert_eq!(looked["exitCode"], 0, "{looked}");
    let listed = looked["output"].as_str().unwrap();
    assert!(!listed.contains("before-the-checks"), "{listed}");
}

/// A home that cannot be written to, a link and read-only directories where files are to be moved, and names that are options.
#[test]
fn a_home_in_disorder_keeps_nothing_from_being_checked() {
    let disorder = "ln -s \"$PWD\" ~/.before-the-checks; ln -s \"$PWD\" \"$TMPDIR/here\"; mkdir -p ~/deep/er \"$TMPDIR/-rf\"; \
                    touch ~/deep/er/x ~/-n; chmod 555 ~/deep/er ~/deep; mkdir -p ~/.local/bin; printf '#!/bin/sh\\nexit 0\\n' > ~/.local/bin/make; \
                    chmod +x ~/.local/bin/make; chmod 555 ~; echo two > a.txt";
    let home = Home::new();
    let checkout = repository(&home, "project", &[("a.txt", "one\n"), ("Makefile", "test:\n\t@grep -q one a.txt\n")]);
    let looks = bash("test -e ~/deep/er/x && test -e ~/-n && test -d \"$TMPDIR/-rf\" && ls");
    let turns = [bash(disorder), ends(), looks, ends(), ends()];
    let run = home.code(&checkout, "Do it.", &planned(&["make test"], &turns), &[]).expect_code(0);
    assert_eq!(outcomes(&run), [("make test".to_owned(), "failed".to_owned())]);
    let looked = run.of_kind("tool.result").pop().unwrap();
    assert_eq!((&looked["exitCode"], &looked["output"]), (&json!(0), &json!("Makefile\na.txt\n")));
}

#[test]
fn a_home_that_the_set_up_has_furnished_is_there_as_it_was() {
    let setup = "mkdir -p ~/.local/bin; printf '#!/bin/sh\\ntest -e ~/furnished\\n' > ~/.local/bin/own-check; chmod +x ~/.local/bin/own-check; \
                 touch ~/furnished\n";
    let home = Home::new();
    let checkout = repository(&home, "project", &[(".backspace/setup.sh", setup), ("a.txt", "one\n")]);
    let breaks = bash("echo 'exit 1' > ~/.local/bin/own-check; rm ~/furnished; echo two >> a.txt");
    let run = home.code(&checkout, "Do it.", &planned(&["own-check"], &[breaks, ends()]), &[]).expect_code(0);
    assert_eq!(outcomes(&run), [("own-check".to_owned(), "passed".to_owned())]);
    assert_eq!(draft(&run), Value::Null);
    assert_eq!(run.of_kind("setup.finished")[0]["outcome"], json!("succeeded"));
}
