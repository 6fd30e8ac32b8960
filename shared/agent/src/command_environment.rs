//! What commands of a session find in their environment, whoever has asked for them.

/// Keeps commands from waiting for a terminal, a pager, an editor or an answer.
const VARIABLES: [(&str, &str); 16] = [
    ("CI", "true"),
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("EDITOR", "true"),
    ("GIT_AUTHOR_EMAIL", "agent@tiny-backspace.invalid"),
    ("GIT_AUTHOR_NAME", "Tiny Backspace"),
    ("GIT_COMMITTER_EMAIL", "agent@tiny-backspace.invalid"),
    ("GIT_COMMITTER_NAME", "Tiny Backspace"),
    ("GIT_EDITOR", "true"),
    ("GIT_PAGER", "cat"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("NO_COLOR", "1"),
    ("PAGER", "cat"),
    // A distribution's Python refuses packages even in the home. Its own directories are read-only anyway.
    ("PIP_BREAK_SYSTEM_PACKAGES", "1"),
    ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
    ("PYTHONDONTWRITEBYTECODE", "1"),
    ("VISUAL", "true"),
];

pub(crate) fn command_environment() -> Vec<(String, String)> {
    VARIABLES.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
