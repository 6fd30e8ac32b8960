//! The port to principals and their tokens.

use async_trait::async_trait;

use crate::{Account, Digest256, Principal, TokenId, TokenRecord, Unavailable};
use jiff::Timestamp;

/// The accounts of principals and the access tokens they are known by.
///
/// Contract: `put_account` is a compare-and-set on the account's version; a token that was added is found by its digest at
/// once, and one that was revoked is reported as revoked at once. Of a token only its digest is ever kept.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// The account of a principal, with its version.
    async fn account(&self, principal: &Principal) -> Result<Option<Account>, Unavailable>;

    /// Writes an account over the version it was read in (0: there was none). False when somebody else was faster.
    async fn put_account(&self, account: &Account) -> Result<bool, Unavailable>;

    /// Every account.
    async fn accounts(&self) -> Result<Vec<Account>, Unavailable>;

    /// Adds a token.
    async fn add_token(&self, token: &TokenRecord) -> Result<(), Unavailable>;

    /// The token with this digest, also when it counts no more.
    async fn token_by_digest(&self, digest: &Digest256) -> Result<Option<TokenRecord>, Unavailable>;

    /// Every token, oldest first.
    async fn tokens(&self) -> Result<Vec<TokenRecord>, Unavailable>;

    /// Revokes a token; false when there is none of that name. One that is revoked stays so since then.
    async fn revoke_token(&self, id: &TokenId, at: Timestamp) -> Result<bool, Unavailable>;
}
