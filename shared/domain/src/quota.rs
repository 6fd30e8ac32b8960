//! What the sessions of a principal may do.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::MicroDollars;
use crate::text::shorten;

/// What a principal's sessions may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quota {
    /// The repositories; any when there is none in the list.
    #[serde(default)]
    pub repositories: Vec<RepositoryPattern>,
    /// The most sessions at work at a time; further ones are queued.
    #[serde(default)]
    pub max_concurrent_sessions: Option<u32>,
    /// The most that may be spent in a day (UTC).
    #[serde(default)]
    pub max_daily_cost: Option<MicroDollars>,
}

impl Quota {
    /// Whether a session may work on this repository.
    pub fn covers(&self, repo_url: &str) -> bool {
        self.repositories.is_empty() || self.repositories.iter().any(|pattern| pattern.covers(repo_url))
    }
}

/// A repository by its address, or with `/*` at its end all below an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepositoryPattern(String);

/// A text that names no repositories.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no repository: an address or path is expected, which may end in /*")]
pub struct InvalidPattern(String);

impl RepositoryPattern {
    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it covers a repository. What could lead elsewhere than it says (`..`, escapes) is covered by nothing.
    pub fn covers(&self, repo_url: &str) -> bool {
        let Some(address) = normal(repo_url) else { return false };
        match self.0.strip_suffix("/*") {
            Some(above) => address.strip_prefix(above).is_some_and(|rest| rest.len() > 1 && rest.starts_with('/')),
            None => address == self.0,
        }
    }
}

/// One spelling for an address: scheme and host in small letters, no `.git` or `/` at the end.
fn normal(address: &str) -> Option<String> {
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
        let address = normal(below.unwrap_or(text)).filter(|address| text.len() <= 2048 && !address.is_empty());
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
