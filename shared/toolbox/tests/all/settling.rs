//! What the set-up of a repository leaves behind is no part of the change until something touches it.

use std::fs;

use toolbox::{Answer, Call, Settle};

use crate::fixture::{Fixture, answer, changes};

fn settle(fixture: &Fixture) -> usize {
    answer!(fixture.call(Call::Settle(Settle {})), Answer::Settle).paths
}

fn changed(fixture: &Fixture) -> Vec<String> {
    changes(&fixture.collect()).iter().map(|change| change.path().to_owned()).collect()
}

#[test]
fn what_was_there_when_it_settled_counts_only_after_it_is_touched() {
    let fixture = Fixture::cloned(&[("lock", "1\n"), ("deleted", "1\n"), ("kept", "1\n"), (".gitignore", "ignored\n")]);
    fixture.write("lock", "2\n");
    fs::remove_file(fixture.path("deleted")).unwrap();
    for number in 0..6000 {
        fixture.write(&format!("modules/{number}.js"), "x");
    }
    fixture.link("modules/link", "0.js");
    fixture.write("ignored", "x");
    assert_eq!(settle(&fixture), 6003);
    assert_eq!(changed(&fixture), [""; 0]);
    assert_eq!(fixture.collect().skipped, []);

    // As many files as a change may have, in spite of those that are settled.
    fixture.write("modules/17.js", "y");
    fixture.write("new", "1\n");
    fs::remove_file(fixture.path("modules/18.js")).unwrap();
    fs::remove_file(fixture.path("modules/link")).unwrap();
    fixture.link("modules/link", "1.js");
    fixture.set_mode("modules/19.js", 0o755);
    assert_eq!(changed(&fixture), ["modules/17.js", "modules/19.js", "modules/link", "new"]);

    // The base commit is what counts, not what was settled.
    fixture.write("lock", "1\n");
    fixture.write("deleted", "3\n");
    assert_eq!(changed(&fixture), ["deleted", "modules/17.js", "modules/19.js", "modules/link", "new"]);
    fixture.write("lock", "3\n");
    assert!(changed(&fixture).contains(&"lock".to_owned()));
}

#[test]
fn a_file_written_again_in_the_tick_in_which_it_settled_counts() {
    for _ in 0..20 {
        let fixture = Fixture::cloned(&[("file", "1\n")]);
        fixture.write("file", "2\n");
        fixture.write("new", "2\n");
        settle(&fixture);
        fixture.write("file", "3\n");
        fixture.write("new", "3\n");
        assert_eq!(changed(&fixture), ["file", "new"]);
    }
}

#[test]
fn it_holds_for_another_process_and_without_a_baseline_it_fails() {
    let fixture = Fixture::cloned(&[("file", "1\n")]);
    fixture.write("new", "1\n");
    // Every call of the fixture is a toolbox of its own.
    assert_eq!((settle(&fixture), settle(&fixture)), (1, 1));
    assert_eq!(changed(&fixture), [""; 0]);
    assert!(Fixture::bare().call(Call::Settle(Settle {})).is_err());
}
