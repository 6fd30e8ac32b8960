use toolbox::{Answer, Call, Change, Mode, Rebase, RebaseChange, Rebased};

use crate::fixture::{Fixture, answer};

fn write(path: &str, base: Option<&str>, content: &str) -> RebaseChange {
    RebaseChange {
        change: Change::write(path, Mode::Regular, content.as_bytes().to_vec()),
        base: base.map(|base| base.as_bytes().to_vec()),
    }
}

fn delete(path: &str, base: Option<&str>) -> RebaseChange {
    RebaseChange { change: Change::Delete { path: path.to_owned() }, base: base.map(|base| base.as_bytes().to_vec()) }
}

fn rebase(fixture: &Fixture, changes: Vec<RebaseChange>, old_base: Option<String>) -> Rebased {
    answer!(fixture.call(Call::Rebase(Rebase { changes, old_base })), Answer::Rebase)
}

const OLD: &str = "1\n2\n3\n4\n5\n";

#[test]
fn changes_are_merged_where_possible_and_marked_where_they_conflict() {
    let fixture = Fixture::cloned(&[
        ("same", OLD),
        ("joined", "one\n2\n3\n4\n5\n"),
        ("collides", "one\n2\n3\n4\n5\n"),
        ("both-new", "theirs\n"),
        ("agreed", "five\n"),
        ("binary", "\0new"),
        ("delete-clean", OLD),
        ("delete-modified", "one\n"),
        ("delete-unknown", OLD),
        ("in-the-way/file", "x\n"),
    ]);
    let rebased = rebase(
        &fixture,
        vec![
            write("same", Some(OLD), "mine\n"),
            write("joined", Some(OLD), "1\n2\n3\n4\nfive\n"),
            write("collides", Some(OLD), "uno\n2\n3\n4\n5\n"),
            write("both-new", None, "mine\n"),
            write("agreed", Some(OLD), "five\n"),
            write("binary", Some("\0old"), "\0mine"),
            write("gone", Some(OLD), "mine\n"),
            write("new/file", None, "mine\n"),
            write("in-the-way", None, "mine\n"),
            delete("delete-clean", Some(OLD)),
            delete("delete-modified", Some(OLD)),
            delete("delete-unknown", None),
            delete("delete-gone", Some(OLD)),
        ],
        None,
    );
    assert_eq!(rebased.written, ["same", "agreed", "new/file"]);
    assert_eq!(rebased.merged, ["joined"]);
    assert_eq!(rebased.deleted, ["delete-clean", "delete-gone"]);
    let conflicts: Vec<&str> = rebased.conflicts.iter().map(|conflict| conflict.path.as_str()).collect();
    assert_eq!(
        conflicts,
        ["delete-modified", "delete-unknown", "collides", "both-new", "binary", "gone", "in-the-way"]
    );
    assert_eq!(fixture.read("joined"), b"one\n2\n3\n4\nfive\n");
    assert_eq!(
        String::from_utf8(fixture.read("collides")).unwrap(),
        "<<<<<<< new base\none\n||||||| old base\n1\n=======\nuno\n>>>>>>> this session\n2\n3\n4\n5\n"
    );
    assert_eq!(fixture.read("binary"), b"\0mine");
    assert_eq!(fixture.read("gone"), b"mine\n");
    assert!(fixture.path("delete-modified").exists() && !fixture.path("delete-clean").exists());
}

#[test]
fn base_contents_are_read_from_the_clone_if_it_has_them() {
    let fixture = Fixture::cloned(&[("f", OLD), ("g", OLD)]);
    let commit = fixture.baseline().commit;
    let rebased = rebase(&fixture, vec![write("f", None, "mine\n"), delete("g", None)], commit);
    assert_eq!(
        (rebased.written.as_slice(), rebased.deleted.as_slice()),
        (["f".to_owned()].as_slice(), ["g".to_owned()].as_slice())
    );
    assert!(rebased.conflicts.is_empty());
}
