//! Finds the command that a simple command runs inside wrappers such as `env`, `timeout`, `uv run` or `sh -c`.

use super::shell::split;

/// Maximum nesting of `bash -c "bash -c …"` that is followed.
const MAX_DEPTH: usize = 3;

/// Words that may precede a command.
const KEYWORDS: &[&str] = &[
    "if", "then", "elif", "else", "while", "until", "do", "!", "{", "time", "exec", "command", "nohup", "setsid",
    "sudo",
];

/// Programs that run the command in their arguments, with the subcommand that does.
const WRAPPERS: &[&[&str]] = &[
    &["env"],
    &["nice"],
    &["stdbuf"],
    &["timeout"],
    &["xvfb-run"],
    &["npx"],
    &["bunx"],
    &["uvx"],
    &["uv", "run"],
    &["poetry", "run"],
    &["pipenv", "run"],
    &["pdm", "run"],
    &["hatch", "run"],
    &["rye", "run"],
    &["conda", "run"],
    &["coverage", "run"],
    &["mise", "exec"],
    &["bundle", "exec"],
    &["npm", "exec"],
    &["pnpm", "exec"],
    &["pnpm", "dlx"],
    &["yarn", "exec"],
    &["yarn", "dlx"],
];

/// Options of wrappers and of Python that take a value as the next word.
const WITH_VALUE: &[&str] =
    &["--with", "--extra", "--group", "--python", "--package", "--directory", "-p", "-n", "-k", "-s", "-u", "-W", "-X"];

/// The simple commands of a shell program without wrappers and assignments. Commands in the argument of `sh -c` are
/// included.
pub(super) fn simple_commands(program: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    collect(program, MAX_DEPTH, &mut found);
    found
}

fn collect(program: &str, depth: usize, found: &mut Vec<Vec<String>>) {
    for words in split(program) {
        let words = unwrapped(&words);
        match inner_program(words) {
            Some(inner) if depth > 0 => collect(inner, depth - 1, found),
            Some(_) => {}
            None if words.is_empty() => {}
            None => found.push(words.to_vec()),
        }
    }
}

/// The program in `sh -c "…"` or `eval "…"`.
fn inner_program(words: &[String]) -> Option<&str> {
    let (program, arguments) = words.split_first()?;
    let program = base_name(program);
    if program == "eval" {
        return arguments.first().map(String::as_str);
    }
    if !matches!(program, "sh" | "bash" | "zsh" | "dash") {
        return None;
    }
    let is_command = |word: &String| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c');
    let option = arguments.iter().position(is_command)?;
    arguments.get(option + 1).map(String::as_str)
}

fn unwrapped(mut words: &[String]) -> &[String] {
    while let Some((first, rest)) = words.split_first() {
        if KEYWORDS.contains(&first.as_str()) || is_assignment(first) {
            words = rest;
        } else if let Some(wrapper) = WRAPPERS.iter().find(|wrapper| starts_with(words, wrapper)) {
            words = without_options(&words[wrapper.len()..]);
        } else if let Some(module) = python_module(first, rest) {
            words = module;
        } else {
            break;
        }
    }
    words
}

fn starts_with(words: &[String], wrapper: &[&str]) -> bool {
    words.len() >= wrapper.len() && words.iter().zip(wrapper).all(|(word, expected)| base_name(word) == *expected)
}

/// The words after `-m` of Python. None when Python runs a script or code of `-c`.
fn python_module<'a>(program: &str, arguments: &'a [String]) -> Option<&'a [String]> {
    if !base_name(program).starts_with("python") {
        return None;
    }
    let mut rest = arguments;
    while let Some((word, after)) = rest.split_first() {
        if word == "-m" {
            return (!after.is_empty()).then_some(after);
        }
        if !word.starts_with('-') || word == "-c" || word == "-" {
            return None;
        }
        rest = if WITH_VALUE.contains(&word.as_str()) { after.get(1..)? } else { after };
    }
    None
}

/// The words after options, their values, assignments and the duration of `timeout`.
fn without_options(mut words: &[String]) -> &[String] {
    while let Some((word, rest)) = words.split_first() {
        if WITH_VALUE.contains(&word.as_str()) {
            words = rest.get(1..).unwrap_or_default();
        } else if word.starts_with('-') || is_assignment(word) || word.starts_with(|c: char| c.is_ascii_digit()) {
            words = rest;
        } else {
            break;
        }
    }
    words
}

fn is_assignment(word: &str) -> bool {
    let Some((name, _)) = word.split_once('=') else { return false };
    let is_valid_start = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    is_valid_start && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The last part of a path.
pub(super) fn base_name(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}
