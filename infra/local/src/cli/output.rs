//! The program's output: results on stdout, progress and errors on stderr.

use std::io::Write as _;

use domain::text::printable;
use serde_json::{Value, json};

/// Prints for a person, or with `--json` for a program.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints progress for a person, on stderr. Nothing with `--json`.
    pub(super) fn progress(self, line: &str) {
        if !self.json {
            self.stderr(line);
        }
    }

    /// Prints a result for a person, on stdout. Nothing with `--json`.
    pub(super) fn result(self, text: &str) {
        if !self.json {
            self.stdout(text);
        }
    }

    /// Prints a result for a program, as one line of JSON on stdout. Nothing without `--json`.
    pub(super) fn json(self, value: &Value) {
        if self.json {
            self.stdout(&value.to_string());
        }
    }

    /// Prints why the command failed, with its causes.
    pub(super) fn error(self, error: &anyhow::Error) {
        let message = format!("{error:#}");
        if self.json {
            self.stdout(&json!({ "error": { "message": message } }).to_string());
        } else {
            self.stderr(&format!("backspace: {message}"));
        }
    }

    fn stdout(self, text: &str) {
        // A closed pipe (`| head`) is no error of the command.
        let _ = writeln!(std::io::stdout().lock(), "{}", printable(text));
    }

    fn stderr(self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{}", printable(text));
    }
}
