//! Issues and pull requests of a forge, from which sessions are started.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::text::shorten;

/// An issue or a pull request: `github:owner/name#12`. It has at most one session at a time.
///
/// Lower case throughout, because forges do not distinguish the case of owners and names. Issues and pull requests of a
/// repository share their numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OutsideKey {
    forge: String,
    repository: String,
    number: u64,
}

/// A text that is not an [`OutsideKey`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no issue or pull request: FORGE:OWNER/NAME#NUMBER is expected")]
pub struct InvalidOutsideKey(String);

/// Maximum length of each part of a repository's name, in bytes. GitHub's own limit is 100.
const MAX_NAME_BYTES: usize = 100;

/// Maximum parts of a repository's name: some forges have groups within groups.
const MAX_NAME_PARTS: usize = 10;

impl OutsideKey {
    /// # Errors
    /// When a part is empty, too long, or has a character that forges do not allow in names.
    pub fn new(forge: &str, repository: &str, number: u64) -> Result<Self, InvalidOutsideKey> {
        let names: Vec<&str> = repository.split('/').collect();
        let valid = is_name(forge)
            && (2..=MAX_NAME_PARTS).contains(&names.len())
            && names.iter().all(|name| is_name(name))
            && number > 0;
        if !valid {
            let text = format!("{forge}:{repository}#{number}");
            return Err(InvalidOutsideKey(shorten(&text, 60).into_owned()));
        }
        Ok(Self { forge: forge.to_ascii_lowercase(), repository: repository.to_ascii_lowercase(), number })
    }
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && name.bytes().any(|byte| byte != b'.')
}

impl fmt::Display for OutsideKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}#{}", self.forge, self.repository, self.number)
    }
}

impl FromStr for OutsideKey {
    type Err = InvalidOutsideKey;

    fn from_str(text: &str) -> Result<Self, InvalidOutsideKey> {
        let invalid = || InvalidOutsideKey(shorten(text, 60).into_owned());
        let (forge, rest) = text.split_once(':').ok_or_else(invalid)?;
        let (repository, number) = rest.split_once('#').ok_or_else(invalid)?;
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid());
        }
        Self::new(forge, repository, number.parse().map_err(|_| invalid())?)
    }
}

impl TryFrom<String> for OutsideKey {
    type Error = InvalidOutsideKey;

    fn try_from(text: String) -> Result<Self, InvalidOutsideKey> {
        text.parse()
    }
}

impl From<OutsideKey> for String {
    fn from(key: OutsideKey) -> String {
        key.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_normalized_and_what_names_no_issue_is_refused() {
        let key: OutsideKey = "github:Owner/Some.Name#12".parse().unwrap();
        assert_eq!(key.to_string(), "github:owner/some.name#12");
        assert_eq!(OutsideKey::new("GitHub", "owner/some.name", 12).unwrap(), key);
        let long = format!("github:owner/{}#1", "x".repeat(101));
        for refused in [
            "",
            "github:owner/name",
            "owner/name#1",
            "github:owner#1",
            "github:owner/name#0",
            "github:owner/name#+1",
            "github:owner/../name#1",
            "github:owner//name#1",
            "github:owner/na me#1",
            "github:owner/name#1#2",
            &long,
        ] {
            assert!(refused.parse::<OutsideKey>().is_err(), "{refused}");
        }
    }
}
