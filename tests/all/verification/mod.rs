//! The checks of the project, which we run on what is to be published.

mod ends;
mod environment;
mod interruptions;
mod languages;
mod left_out;
mod outcomes;

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Home, ProgramOutput, bash, ends, plan, repository};

/// A script whose plan names these checks.
pub(crate) fn planned(checks: &[&str], turns: &[Value]) -> Value {
    let mut plan = plan("Change a file");
    plan["checks"] = json!(checks);
    json!({ "plan": plan, "turns": turns })
}

/// A repository whose tests are this recipe.
pub(crate) fn with_tests(home: &Home, recipe: &str) -> PathBuf {
    let makefile = format!("test:\n\t@{recipe}\n");
    repository(home, "project", &[("a.txt", "one\n"), ("Makefile", &makefile)])
}

/// Each check of the last verification, with its outcome.
pub(crate) fn outcomes(run: &ProgramOutput) -> Vec<(String, String)> {
    let last = run.of_kind("verification.recorded").pop().expect("nothing was verified");
    let checks = last["checks"].as_array().unwrap().iter();
    checks
        .map(|check| (check["command"].as_str().unwrap().to_owned(), check["outcome"].as_str().unwrap().to_owned()))
        .collect()
}

/// Why the pull request is a draft.
pub(crate) fn draft(run: &ProgramOutput) -> Value {
    run.of_kind("pr.opened").pop().expect("no pull request was opened")["draft"].clone()
}

/// The text of the pull request.
pub(crate) fn page(run: &ProgramOutput) -> String {
    let url = run.of_kind("run.finished").pop().expect("the run did not end")["pr_url"].clone();
    std::fs::read_to_string(url.as_str().unwrap().trim_start_matches("file://")).unwrap()
}

/// What the model was told when it had ended its work.
pub(crate) fn told(run: &ProgramOutput, author: &str) -> Vec<String> {
    let messages = run.of_kind("user.message").into_iter().filter(|message| message["author"] == author);
    messages.map(|message| message["text"].as_str().unwrap().to_owned()).collect()
}

/// Runs a session in which the model runs these commands, one in each turn, and ends its work as often as it is asked.
pub(crate) fn session(home: &Home, recipe: &str, commands: &[&str]) -> ProgramOutput {
    let checkout = with_tests(home, recipe);
    let mut turns: Vec<Value> = commands.iter().map(|command| bash(command)).collect();
    turns.extend([ends(), ends(), ends(), ends()]);
    home.code(&checkout, "Do it.", &planned(&["make test"], &turns), &[])
}
