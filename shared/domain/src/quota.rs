//! The quota of a principal.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::MicroDollars;
use crate::text::shorten;

/// What the sessions of a principal may do. A limit that is none does not exist.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quota {
    /// Repositories that sessions may work on; an empty list allows every repository.
    #[serde(default)]
    pub repositories: Vec<RepositoryPattern>,
    /// Maximum of active runs; further ones are queued.
    #[serde(default)]
    pub max_concurrent_sessions: Option<u32>,
    /// Maximum cost per day (UTC), reservations of active and queued runs included.
    #[serde(default)]
    pub max_daily_cost: Option<MicroDollars>,
}

impl Quota {
    /// Whether a session may work on the repository.
    pub fn allows_repository(&self, repo_url: &str) -> bool {
        self.repositories.is_empty() || self.repositories.iter().any(|pattern| pattern.matches(repo_url))
    }
}

/// The address of a repository, or an address that ends in `/*` for all repositories below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepositoryPattern(String);

/// A text that is not a [`RepositoryPattern`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a repository pattern: expected an address or a path, which may end in /*")]
pub struct InvalidPattern(String);

impl RepositoryPattern {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern matches a repository. No pattern matches an address that may lead elsewhere than it says (`..`,
    /// percent escapes).
    pub fn matches(&self, repo_url: &str) -> bool {
        let Some(address) = normalize(repo_url) else { return false };
        match self.0.strip_suffix("/*") {
            Some(above) => address.strip_prefix(above).is_some_and(|rest| rest.len() > 1 && rest.starts_with('/')),
            None => address == self.0,
        }
    }
}

/// One spelling for an address: scheme and host in lower case, no `.git` or `/` at the end. None for an address that no
/// pattern may match.
fn normalize(address: &str) -> Option<String> {
    if address.contains(['%', '\\', '?', '#', '*']) || address.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return None;
    }
    let (scheme, rest) = address.split_once("://").map_or((None, address), |(scheme, rest)| (Some(scheme), rest));
    let rest = rest.trim_end_matches('/');
    let rest = rest.strip_suffix(".git").unwrap_or(rest);
    let parts = rest.strip_prefix('/').unwrap_or(rest).split('/');
    if parts.clone().any(|part| part.is_empty() || part == "." || part == "..") {
        return None;
    }
    Some(match scheme {
        None => rest.to_owned(),
        Some(scheme) => {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            format!("{}://{}/{path}", scheme.to_ascii_lowercase(), host.to_ascii_lowercase())
        }
    })
}

impl std::str::FromStr for RepositoryPattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let invalid = || InvalidPattern(shorten(text, 200).into_owned());
        let below = text.strip_suffix("/*");
        let address = normalize(below.unwrap_or(text)).filter(|address| text.len() <= 2048 && !address.is_empty());
        let address = address.ok_or_else(invalid)?;
        let address = address.trim_end_matches('/');
        Ok(Self(if below.is_some() { format!("{address}/*") } else { address.to_owned() }))
    }
}

impl TryFrom<String> for RepositoryPattern {
    type Error = InvalidPattern;

    fn try_from(text: String) -> Result<Self, InvalidPattern> {
        text.parse()
    }
}

impl From<RepositoryPattern> for String {
    fn from(pattern: RepositoryPattern) -> String {
        pattern.0
    }
}

impl fmt::Display for RepositoryPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
