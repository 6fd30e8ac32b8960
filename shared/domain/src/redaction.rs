//! Replaces secrets in text by `[REDACTED]`.
//!
//! Text is redacted where it enters the log (prompts, messages, tool output), and again in every view. The views need it for
//! what never passed the first time: files of the repository in a diff, events that were stored before a value was known.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex_lite::Regex;
use secrecy::{ExposeSecret, SecretString};

/// The replacement of a secret.
pub const REDACTED: &str = "[REDACTED]";

/// Known values that are shorter are not redacted: they are too likely to be ordinary words.
const MIN_SECRET_BYTES: usize = 8;

/// Maximum bytes that live text holds back for what may become a secret of a known form.
const MAX_TOKEN_BYTES: usize = 512;

/// A form of secrets.
struct Pattern {
    /// Every secret of this form contains one of these. Searching for them first is much faster than the expression.
    markers: &'static [&'static str],
    expression: Regex,
    replacement: &'static str,
}

static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    const FORMS: &[(&[&str], &str, &str)] = &[
        // Access tokens of this program.
        (&["bsp_"], r"bsp_[0-9a-f]{32,}", REDACTED),
        // Keys of Anthropic.
        (&["sk-ant-"], r"sk-ant-[A-Za-z0-9_-]{8,}", REDACTED),
        // Tokens of GitHub, old and new forms; the new installation tokens contain dots.
        (&["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], r"gh[pousr]_[A-Za-z0-9_.-]{16,}", REDACTED),
        (&["github_pat_"], r"github_pat_[A-Za-z0-9_]{16,}", REDACTED),
        // Token ids and secrets of Modal.
        (&["ak-", "as-"], r"\ba[ks]-[A-Za-z0-9]{20,}", REDACTED),
        // Access keys of AWS.
        (&["AKIA", "ASIA"], r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", REDACTED),
        // Slack, Google, npm, PyPI, Stripe.
        (&["xox"], r"xox[abeoprs]-[A-Za-z0-9-]{10,}", REDACTED),
        (&["AIza"], r"AIza[A-Za-z0-9_-]{30,}", REDACTED),
        (&["npm_"], r"npm_[A-Za-z0-9]{30,}", REDACTED),
        (&["pypi-"], r"pypi-[A-Za-z0-9_-]{16,}", REDACTED),
        (&["k_live_"], r"\b[rs]k_live_[A-Za-z0-9]{16,}", REDACTED),
        // Private keys.
        (
            &["-----BEGIN "],
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)",
            REDACTED,
        ),
        // JSON web tokens.
        (&["eyJ"], r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}", REDACTED),
        // Credentials in an address, between `//` and `@`.
        (&["//"], r"//[^/\s:@]+:[^/\s@]+@", "//[REDACTED]@"),
    ];
    let compile = |(markers, expression, replacement): &(&'static [&'static str], &str, &'static str)| {
        Some(Pattern { markers, expression: Regex::new(expression).ok()?, replacement })
    };
    // A test checks that every expression compiles.
    FORMS.iter().filter_map(compile).collect()
});

/// Redacts known secret values, and text that has the form of a secret.
#[derive(Clone, Default)]
pub struct Redactor {
    values: Vec<SecretString>,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Redactor({} values)", self.values.len())
    }
}

impl Redactor {
    /// A redactor that also knows these values; those of less than 8 bytes are ignored.
    pub fn new(values: impl IntoIterator<Item = SecretString>) -> Self {
        let mut values: Vec<SecretString> =
            values.into_iter().filter(|value| value.expose_secret().len() >= MIN_SECRET_BYTES).collect();
        // Longest first: a value that contains another one would otherwise leave its other part in the text.
        values.sort_by_key(|value| std::cmp::Reverse(value.expose_secret().len()));
        Self { values }
    }

    /// `text` without secrets.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut redacted = Cow::Borrowed(text);
        for value in &self.values {
            if redacted.contains(value.expose_secret()) {
                redacted = Cow::Owned(redacted.replace(value.expose_secret(), REDACTED));
            }
        }
        for Pattern { markers, expression, replacement } in PATTERNS.iter() {
            if markers.iter().any(|marker| redacted.contains(marker)) && expression.is_match(&redacted) {
                redacted = Cow::Owned(expression.replace_all(&redacted, *replacement).into_owned());
            }
        }
        redacted
    }

    /// `value` without secrets in its strings and field names.
    pub fn redact_json(&self, value: &serde_json::Value) -> serde_json::Value {
        use serde_json::Value;
        match value {
            Value::String(text) => Value::String(self.redact(text).into_owned()),
            Value::Array(items) => items.iter().map(|item| self.redact_json(item)).collect(),
            Value::Object(fields) => {
                fields.iter().map(|(name, field)| (self.redact(name).into_owned(), self.redact_json(field))).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    /// The part of a growing text that can be shown already: redacted, and without an end that may be the beginning of a
    /// secret.
    pub fn redact_growing(&self, text: &str) -> String {
        let mut end = text.len();
        // A known value with white space may have begun anywhere in the last bytes of its own length.
        for value in &self.values {
            let value = value.expose_secret();
            if value.contains(char::is_whitespace) {
                end = end.min(text.floor_char_boundary(text.len().saturating_sub(value.len())));
            }
        }
        // All other secrets contain none: only the text after the last white space can still become one, or be cut by `end`.
        if let Some(last_space) = text[..end].rfind(char::is_whitespace) {
            end = last_space;
        } else if end < MAX_TOKEN_BYTES {
            end = 0;
        }
        // Except private keys, which span lines: nothing after the beginning of an unfinished one is shown.
        if let Some(block) = text.rfind("-----BEGIN")
            && !text[block..].contains("-----END")
        {
            end = end.min(block);
        }
        self.redact(&text[..text.floor_char_boundary(end)]).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_and_known_forms_are_redacted_and_ordinary_text_is_not() {
        let redactor = Redactor::new(["correct horse battery".into(), "short".into()]);
        let check = |text: &str, expected: &str| assert_eq!(redactor.redact(text), expected);
        check("say correct horse battery now", "say [REDACTED] now");
        check("a short word stays", "a short word stays");
        check("key sk-ant-api03-abcdefghij_KL end", "key [REDACTED] end");
        check("token=ghs_1234_eyJhbGciOi.abc-def.0123456789", "token=[REDACTED]");
        check("clone https://user:pass@host/x.git", "clone https://[REDACTED]@host/x.git");
        check("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\nrest", "[REDACTED]\nrest");
        check("ask-me about the task-list and ghp_short", "ask-me about the task-list and ghp_short");
    }

    #[test]
    fn every_expression_compiles_and_every_secret_contains_a_marker() {
        assert_eq!(PATTERNS.len(), 14);
        let redactor = Redactor::default();
        let long = "Ab3".repeat(20);
        for secret in [
            &format!("bsp_{}", "0a".repeat(32)),
            &format!("gho_{long}"),
            &format!("github_pat_{long}"),
            &format!("ak-{long}"),
            &format!("as-{long}"),
            "AKIAABCDEFGHIJKLMNOP",
            "ASIAABCDEFGHIJKLMNOP",
            &format!("xoxb-{long}"),
            &format!("AIza{long}"),
            &format!("npm_{long}"),
            &format!("pypi-{long}"),
            &format!("sk_live_{long}"),
            &format!("rk_live_{long}"),
            &format!("eyJ{long}.{long}.{long}"),
        ] {
            assert_eq!(redactor.redact(&format!("it is {secret} so")), "it is [REDACTED] so", "{secret}");
        }
    }

    #[test]
    fn a_secret_that_is_still_growing_is_never_shown() {
        let redactor = Redactor::new(["two words secret".into()]);
        let text = "the key is sk-ant-api03-abcdefghijkl and two words secret too. The end of it";
        for end in 0..=text.len() {
            let shown = redactor.redact_growing(&text[..end]);
            assert!(!shown.contains("sk-ant"), "{shown}");
            assert!(!shown.contains("two words s"), "{shown}");
        }
    }
}
