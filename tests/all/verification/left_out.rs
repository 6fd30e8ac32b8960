//! Written files that cannot be published are named: to the model while it can mend that, and in the pull request.

use serde_json::{Value, json};

use super::{draft, page, planned, told};
use crate::support::{Home, bash, ends, repository, tools};

const REPOSITORY: &str =
    "(mkdir app && cd app && git init -q . && echo code > main.py && git add . && git commit -qm 'Begin')";

fn code(home: &Home, turns: &[Value]) -> crate::support::ProgramOutput {
    let checkout = repository(home, "project", &[("a.txt", "one\n"), (".gitignore", ".env*\ndist/\n")]);
    home.code(&checkout, "Do it.", &planned(&["true"], turns), &[])
}

#[test]
fn the_model_is_told_of_a_repository_inside_and_mends_it() {
    let home = Home::new();
    let mut mends = bash("rm -rf app/.git");
    mends["if"] = json!({ "userContains": "app" });
    let turns = [bash(REPOSITORY), ends(), json!({ "when": [mends] }), ends()];
    let run = code(&home, &turns).expect_code(0);
    assert_eq!(told(&run, "left_out").len(), 1);
    assert_eq!((run.branch().file("app/main.py"), draft(&run)), ("code".to_owned(), Value::Null));
}

#[test]
fn work_that_is_not_published_is_no_success() {
    let home = Home::new();
    let run = code(&home, &[bash(REPOSITORY), ends(), ends()]).expect_code(7);
    let finished = run.of_kind("run.finished").remove(0);
    assert_eq!(finished["status"], "nothing");
    assert!(finished["leftOut"][0].as_str().unwrap().starts_with("app"), "{finished}");
    assert!(finished["summary"].as_str().unwrap().contains("app"), "{finished}");

    let home = Home::new();
    let turns = [bash(REPOSITORY), bash("echo two >> a.txt"), ends(), ends()];
    let run = code(&home, &turns).expect_code(7);
    assert_eq!(draft(&run), "not everything that was written could be published; see below");
    assert!(page(&run).contains("## Left out\n\n- app"), "{}", page(&run));
}

#[test]
fn files_written_by_name_are_published_though_they_are_ignored() {
    let home = Home::new();
    let create =
        |path: &str| ("str_replace_based_edit_tool", json!({ "command": "create", "path": path, "file_text": "x\n" }));
    let writes = tools(&[create(".env.example"), create("dist/index.js"), create("src/b.js")]);
    let turns = [writes, bash("echo made > dist/other.js; mkdir node_modules; echo x > node_modules/x.js"), ends()];
    let run = code(&home, &turns).expect_code(0);
    let listed = run.branch().files();
    let added: Vec<&str> =
        listed.iter().map(String::as_str).filter(|path| !["a.txt", ".gitignore"].contains(path)).collect();
    assert_eq!(added, [".env.example", "dist/index.js", "src/b.js"]);
    assert!(
        page(&run).contains("## Left behind by commands\n\nNo part of this change:\n\n- node_modules"),
        "{}",
        page(&run)
    );
}
