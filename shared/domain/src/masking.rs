//! Keeps secrets out of what is stored and shown.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex_lite::Regex;
use secrecy::{ExposeSecret, SecretString};

/// What stands where a secret stood.
pub const MASK: &str = "[REDACTED]";

/// Shorter values are too likely to be ordinary words.
const SHORTEST_VALUE: usize = 8;

/// The longest secret of a known form that live text waits for.
const LONGEST_TOKEN: usize = 512;

static PATTERNS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        // Our own access tokens.
        r"bsp_[0-9a-f]{32,}",
        // Keys of Anthropic.
        r"sk-ant-[A-Za-z0-9_-]{8,}",
        // Tokens of GitHub, old and new forms; the new installation tokens hold dots.
        r"gh[pousr]_[A-Za-z0-9_.-]{16,}",
        r"github_pat_[A-Za-z0-9_]{16,}",
        // Token ids and secrets of Modal.
        r"\ba[ks]-[A-Za-z0-9]{20,}",
        // Access keys of AWS.
        r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
        // Slack, Google, npm, PyPI, Stripe.
        r"xox[abeoprs]-[A-Za-z0-9-]{10,}",
        r"AIza[A-Za-z0-9_-]{30,}",
        r"npm_[A-Za-z0-9]{30,}",
        r"pypi-[A-Za-z0-9_-]{16,}",
        r"\b[rs]k_live_[A-Za-z0-9]{16,}",
        // Private keys.
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)",
        // JSON web tokens.
        r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
        // Credentials in an address: the part between `//` and `@`.
        r"//[^/\s:@]+:[^/\s@]+@",
    ]
    .iter()
    .filter_map(|pattern| Regex::new(pattern).ok())
    .collect()
});

/// Masks known secret values and whatever looks like a secret.
#[derive(Clone, Default)]
pub struct Masker {
    values: Vec<SecretString>,
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Masker({} values)", self.values.len())
    }
}

impl Masker {
    /// A masker that also knows these values.
    pub fn new(values: impl IntoIterator<Item = SecretString>) -> Self {
        let mut values: Vec<SecretString> =
            values.into_iter().filter(|value| value.expose_secret().len() >= SHORTEST_VALUE).collect();
        // A value that holds another has to go first.
        values.sort_by_key(|value| std::cmp::Reverse(value.expose_secret().len()));
        Self { values }
    }

    /// `text` without secrets.
    pub fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut masked = Cow::Borrowed(text);
        for value in &self.values {
            if masked.contains(value.expose_secret()) {
                masked = Cow::Owned(masked.replace(value.expose_secret(), MASK));
            }
        }
        for pattern in PATTERNS.iter() {
            if pattern.is_match(&masked) {
                let with = if pattern.as_str().starts_with("//") { "//[REDACTED]@" } else { MASK };
                masked = Cow::Owned(pattern.replace_all(&masked, with).into_owned());
            }
        }
        masked
    }

    /// A JSON value without secrets in its texts.
    pub fn mask_json(&self, value: &serde_json::Value) -> serde_json::Value {
        use serde_json::Value;
        match value {
            Value::String(text) => Value::String(self.mask(text).into_owned()),
            Value::Array(items) => items.iter().map(|item| self.mask_json(item)).collect(),
            Value::Object(fields) => {
                fields.iter().map(|(name, field)| (self.mask(name).into_owned(), self.mask_json(field))).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    /// The part of a growing text that can be shown: masked, and without an end that may be the beginning of a secret.
    pub fn mask_growing(&self, text: &str) -> String {
        let mut end = text.len();
        // Known values that hold white space may have begun anywhere in the last stretch of their length.
        for value in &self.values {
            let value = value.expose_secret();
            if value.contains(char::is_whitespace) {
                end = end.min(floor(text, text.len().saturating_sub(value.len())));
            }
        }
        // All other secrets hold none, so only what follows the last white space can still become one, or be cut by `end`.
        if let Some(last_space) = text[..end].rfind(char::is_whitespace) {
            end = last_space;
        } else if end < LONGEST_TOKEN {
            end = 0;
        }
        // Key blocks are the exception.
        if let Some(block) = text.rfind("-----BEGIN")
            && !text[block..].contains("-----END")
        {
            end = end.min(block);
        }
        self.mask(&text[..floor(text, end)]).into_owned()
    }
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_and_known_forms_are_masked_and_ordinary_text_is_not() {
        let masker = Masker::new(["correct horse battery".into(), "short".into()]);
        let check = |text: &str, expected: &str| assert_eq!(masker.mask(text), expected);
        check("say correct horse battery now", "say [REDACTED] now");
        check("a short word stays", "a short word stays");
        check("key sk-ant-api03-abcdefghij_KL end", "key [REDACTED] end");
        check("token=ghs_1234_eyJhbGciOi.abc-def.0123456789", "token=[REDACTED]");
        check("clone https://user:pass@host/x.git", "clone https://[REDACTED]@host/x.git");
        check("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\nrest", "[REDACTED]\nrest");
        check("ask-me about the task-list and ghp_short", "ask-me about the task-list and ghp_short");
    }

    #[test]
    fn a_secret_that_is_still_growing_is_never_shown() {
        let masker = Masker::new(["two words secret".into()]);
        let text = "the key is sk-ant-api03-abcdefghijkl and two words secret too. The end of it";
        for end in 0..=text.len() {
            let shown = masker.mask_growing(&text[..end]);
            assert!(!shown.contains("sk-ant"), "{shown}");
            assert!(!shown.contains("two words s"), "{shown}");
        }
    }
}
