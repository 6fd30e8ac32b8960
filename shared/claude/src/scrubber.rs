//! Takes what must not be shown out of what the service says.

use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};

/// Longer messages are cut: they are for a person to read.
const MAX_MESSAGE_CHARACTERS: usize = 600;

/// Shorter header values are no secrets and would be found everywhere.
const MIN_SECRET_BYTES: usize = 8;

/// Knows the secrets of a client.
pub(crate) struct Scrubber(Vec<SecretString>);

impl Scrubber {
    pub(crate) fn new(api_key: &SecretString, headers: &HeaderMap) -> Self {
        let values = headers.values().filter_map(|value| value.to_str().ok());
        // A value such as `Bearer abc` is a secret in each of its words.
        let words = values.flat_map(str::split_ascii_whitespace).filter(|word| word.len() >= MIN_SECRET_BYTES);
        let mut secrets: Vec<SecretString> = words.map(SecretString::from).collect();
        secrets.push(api_key.clone());
        Self(secrets)
    }

    /// A text of the service as it may be shown: on one line, not too long, without our secrets.
    pub(crate) fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            text = text.replace(secret.expose_secret(), "[REDACTED]");
        }
        let printable = text.chars().map(|character| if character.is_control() { ' ' } else { character });
        let mut cut: String = printable.take(MAX_MESSAGE_CHARACTERS).collect();
        if cut.len() < text.len() && cut.chars().count() == MAX_MESSAGE_CHARACTERS {
            cut.push('…');
        }
        cut
    }
}
