//! Principals: what each may do, and by which tokens it is known.

use std::fmt;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::text::shorten;
use crate::{AdmissionQueue, Digest256, MicroDollars, Principal, TokenId};

/// What is known of a principal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Who.
    pub principal: Principal,
    /// Whether it may hand out tokens.
    pub role: Role,
    /// What its sessions may do.
    #[serde(alias = "allowance")]
    pub quota: Quota,
    /// Its sessions that run or wait for a place, and today's spending.
    #[serde(default, alias = "ledger")]
    pub queue: AdmissionQueue,
    /// Counts the writes of this account; 0 for one that was never written.
    #[serde(skip)]
    pub version: u64,
}

/// What a principal may do with other principals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It may create, list and revoke tokens.
    Admin,
    /// It may work on its own sessions.
    Member,
}

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

impl Account {
    /// The account of a principal of which nothing is known: it may do nothing with others, and everything with its own.
    pub fn new(principal: Principal, role: Role, quota: Quota) -> Self {
        Self { principal, role, quota, queue: AdmissionQueue::default(), version: 0 }
    }
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

/// What is kept of an access token: not the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenRecord {
    /// Its name.
    pub id: TokenId,
    /// The SHA-256 of the token. It has 256 random bits, so nothing slower is needed.
    pub digest: Digest256,
    /// Whose it is.
    pub principal: Principal,
    /// What it is for.
    #[serde(default)]
    pub label: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it counts.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    #[serde(default)]
    pub revoked_at: Option<Timestamp>,
}

impl TokenRecord {
    /// Whether the token counts at `now`.
    pub fn counts(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// An access token, as it is shown once.
#[derive(Debug, Clone)]
pub struct AccessToken(SecretString);

impl AccessToken {
    const PREFIX: &str = "bsp_";
    const HEX: usize = 64;

    /// A token of 256 random bits.
    pub fn of(random: [u64; 4]) -> Self {
        let mut text = Self::PREFIX.to_owned();
        for part in random {
            text.push_str(&format!("{part:016x}"));
        }
        Self(SecretString::from(text))
    }

    /// Reads what somebody presents; none when it cannot be one of ours.
    pub fn presented(text: &str) -> Option<Self> {
        let hex = text.strip_prefix(Self::PREFIX)?;
        let lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (hex.len() == Self::HEX && hex.bytes().all(lower_hex)).then(|| Self(SecretString::from(text.to_owned())))
    }

    /// What is kept of it.
    pub fn digest(&self) -> Digest256 {
        Digest256::of(self.0.expose_secret().as_bytes())
    }

    /// The token itself, to be shown to whom it was made for.
    pub fn secret(&self) -> &SecretString {
        &self.0
    }
}
