//! Where the program speaks: answers to stdout, everything else to stderr.

use std::io::Write as _;

use domain::text::printable;
use serde_json::{Value, json};

/// The program's two voices.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Tells a person how it goes. Silent with `--json`.
    pub(super) fn tell(self, line: &str) {
        if !self.json {
            self.stderr(line);
        }
    }

    /// An answer for people.
    pub(super) fn answer(self, text: &str) {
        if !self.json {
            self.stdout(text);
        }
    }

    /// An answer for programs.
    pub(super) fn value(self, value: &Value) {
        if self.json {
            self.stdout(&value.to_string());
        }
    }

    /// Why the command was not carried out.
    pub(super) fn error(self, error: &anyhow::Error) {
        let message = format!("{error:#}");
        if self.json {
            self.stdout(&json!({ "error": { "message": message } }).to_string());
        } else {
            self.stderr(&format!("backspace: {message}"));
        }
    }

    fn stdout(self, text: &str) {
        // Who reads may have gone away (`| head`); there is nobody left to tell.
        let _ = writeln!(std::io::stdout().lock(), "{}", printable(text));
    }

    fn stderr(self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{}", printable(text));
    }
}
