//! Where the program speaks: answers to stdout, everything else to stderr.

use std::io::Write as _;

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
        let _ = writeln!(std::io::stdout().lock(), "{}", visible(text));
    }

    fn stderr(self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{}", visible(text));
    }
}

/// Text without characters that steer a terminal: much of it comes from models and repositories.
fn visible(text: &str) -> String {
    let steers = |c: char| {
        (c.is_control() && c != '\n' && c != '\t') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}
