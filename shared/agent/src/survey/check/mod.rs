//! Recognizes commands of the model that check the project: tests, linters, type checkers.

mod runner;
mod shell;
mod wrappers;

use domain::Survey;

use wrappers::simple_commands;

/// Whether a shell command runs one of the project's own test or lint commands, or a well-known test runner, linter or type
/// checker, at any position of a chain. Whole words are compared: `echo pytest`, `pip install pytest` and the text of a
/// here-document are no checks.
///
/// This does not tell the result of the check: in `pytest | tail` or `pytest || true` the exit code is not that of the runner.
pub fn is_check(command: &str, survey: &Survey) -> bool {
    let own: Vec<Vec<String>> = survey
        .test_commands
        .iter()
        .chain(&survey.lint_commands)
        .flat_map(|command| simple_commands(command))
        .filter(|words| words.first().is_some_and(|word| word != "cd"))
        .collect();
    simple_commands(command).iter().any(|words| {
        !runner::is_query(words) && (own.iter().any(|own| words.starts_with(own)) || runner::is_runner(words))
    })
}
