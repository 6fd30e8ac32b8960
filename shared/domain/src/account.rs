//! Accounts of principals, and their access tokens.

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::{Digest256, Principal, Quota, TokenId};

/// A principal's role and quota. What its runs reserve and cost is apart from it
/// ([`Reservations`](crate::ports::Reservations)): every request looks the role up, and few change a reservation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    pub principal: Principal,
    pub role: Role,
    #[serde(alias = "allowance")]
    pub quota: Quota,
    /// Counts the writes of this account, for the compare-and-set of
    /// [`Accounts::put_account`](crate::ports::Accounts::put_account); 0 for one that was never written.
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
        Self { principal, role, quota, version: 0 }
    }
}

/// What is stored of an access token. The token itself is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenRecord {
    pub id: TokenId,
    /// SHA-256 of the token. A fast hash is enough, because the token has 256 random bits and cannot be guessed.
    pub digest: Digest256,
    pub principal: Principal,
    /// What the token is for, in its creator's words; redacted.
    #[serde(default)]
    pub label: String,
    pub created_at: Timestamp,
    /// Valid before this time; none for a token that does not expire.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    #[serde(default)]
    pub revoked_at: Option<Timestamp>,
}

impl TokenRecord {
    /// Whether the token is neither expired nor revoked at `now`.
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// An access token, `bsp_` and 64 lower-case hex digits. It is shown once, when it is created.
#[derive(Debug, Clone)]
pub struct AccessToken(SecretString);

impl AccessToken {
    const PREFIX: &str = "bsp_";
    const HEX: usize = 64;

    /// A token of 256 bits, which have to come from a cryptographic random source.
    pub fn from_random(random: [u64; 4]) -> Self {
        let mut text = Self::PREFIX.to_owned();
        for part in random {
            text.push_str(&format!("{part:016x}"));
        }
        Self(SecretString::from(text))
    }

    /// Parses a token that a caller presents; none when it does not have the form of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix(Self::PREFIX)?;
        let lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (hex.len() == Self::HEX && hex.bytes().all(lower_hex)).then(|| Self(SecretString::from(text.to_owned())))
    }

    /// The digest that is stored, and by which the token is found.
    pub fn digest(&self) -> Digest256 {
        Digest256::of(self.0.expose_secret().as_bytes())
    }

    /// The token itself, for the one time it is shown.
    pub fn secret(&self) -> &SecretString {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_written_by_an_earlier_version_keeps_its_limits() {
        let old = r#"{"principal":"alice","role":"member","allowance":{"maxConcurrentSessions":2},"ledger":{"day":null,
            "spent":0,"active":[{"session":"01HZZZZZZZZZZZZZZZZZZZZZZZ","run":1,"reserved":5,"at":"2026-11-25T10:00:00Z"}],
            "queued":[]}}"#;
        let account: Account = serde_json::from_str(old).unwrap();
        assert_eq!(account.quota.max_concurrent_sessions, Some(2));
    }
}
