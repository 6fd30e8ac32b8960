//! Principals: what each may do, and by which tokens it is known.

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::{AdmissionQueue, Digest256, Principal, Quota, TokenId};

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

impl Account {
    /// The account of a principal of which nothing is known: it may do nothing with others, and everything with its own.
    pub fn new(principal: Principal, role: Role, quota: Quota) -> Self {
        Self { principal, role, quota, queue: AdmissionQueue::default(), version: 0 }
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
