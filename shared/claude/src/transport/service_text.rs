//! Texts from the service, made fit to show and to log.

use domain::Redactor;
use domain::text::{one_line, shorten};
use http::HeaderMap;
use secrecy::SecretString;

/// Maximum characters shown. A person reads them; the end of a longer text is cut off.
const MAX_CHARACTERS: usize = 600;

/// A redactor of the key and of every value in `headers`.
pub(super) fn redactor(api_key: &SecretString, headers: &HeaderMap) -> Redactor {
    let values = headers.values().filter_map(|value| value.to_str().ok());
    // In a value such as `Bearer abc` each word is a secret: the service may quote the second alone.
    let words = values.flat_map(str::split_ascii_whitespace).map(SecretString::from);
    Redactor::new(words.chain([api_key.clone()]))
}

/// On one line, without secrets, at most [`MAX_CHARACTERS`].
pub(super) fn displayable(text: &str, redactor: &Redactor) -> String {
    // In this order: `one_line` drops control characters, which could join the halves of a secret, and a cut could leave one.
    shorten(&redactor.redact(&one_line(text)), MAX_CHARACTERS).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_a_control_character_nor_a_cut_lets_a_secret_through() {
        let headers = HeaderMap::from_iter([(
            http::header::PROXY_AUTHORIZATION,
            http::HeaderValue::from_static("Token tenant-secret-77"),
        )]);
        let redactor = redactor(&"key-of-the-client".into(), &headers);
        let shown = displayable("a\nkey-of-\u{7}the-client b tenant-secret-77", &redactor);
        assert_eq!(shown, "a [REDACTED] b [REDACTED]");
        let cut = displayable(&format!("{} key-of-the-client", "x".repeat(MAX_CHARACTERS - 9)), &redactor);
        assert!(cut.ends_with(" [REDACT…"), "{cut}");
    }
}
