//! Whether a command that the model ran checks the project.

mod runner;
mod shell;
mod unwrap;

use domain::Survey;

use unwrap::simple_commands;

/// Whether somewhere in a shell command, in whatever chain, one of the project's own test or lint commands is run, or a
/// well-known test runner, linter or type checker. Words are compared, not substrings: `echo pytest` and
/// `pip install pytest` check nothing, and neither does what stands in a here-document.
///
/// This says what was run and not what came of it: in `pytest | tail` or `pytest || true`, the exit status of the whole is
/// not the runner's.
pub fn is_check(command: &str, survey: &Survey) -> bool {
    let own: Vec<Vec<String>> = survey
        .test_commands
        .iter()
        .chain(&survey.lint_commands)
        .flat_map(|command| simple_commands(command))
        .filter(|words| words.first().is_some_and(|word| word != "cd"))
        .collect();
    simple_commands(command).iter().any(|words| {
        !runner::asks_only(words) && (own.iter().any(|own| words.starts_with(own)) || runner::is_runner(words))
    })
}
