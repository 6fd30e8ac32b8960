//! The port to accounts and access tokens.

use async_trait::async_trait;

use jiff::Timestamp;

use crate::{Account, Digest256, Principal, TokenId, TokenRecord, Unavailable};

/// The accounts of principals and their access tokens.
///
/// # Contract
/// - **Callers may rely on** every read seeing every write that has returned: a revoked token is reported as revoked at once.
/// - **An implementation must** write an account whole and only over the version it was read in (compare-and-set), and store
///   the digest of a token, never the token.
/// - **After a crash** during `put_account` the account is as before or as written.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// The account of a principal, with its version; none when it was never written.
    async fn account(&self, principal: &Principal) -> Result<Option<Account>, Unavailable>;

    /// Writes an account if its stored version is still `account.version` (0: there is none). False when it is not: nothing was
    /// written, and the caller has to read the account again.
    async fn put_account(&self, account: &Account) -> Result<bool, Unavailable>;

    async fn accounts(&self) -> Result<Vec<Account>, Unavailable>;

    async fn add_token(&self, token: &TokenRecord) -> Result<(), Unavailable>;

    /// The token with this digest, also when it is expired or revoked.
    async fn token_by_digest(&self, digest: &Digest256) -> Result<Option<TokenRecord>, Unavailable>;

    /// Every token, oldest first.
    async fn tokens(&self) -> Result<Vec<TokenRecord>, Unavailable>;

    /// Revokes a token; false when there is no such token. Revoking again does not change the time.
    async fn revoke_token(&self, id: &TokenId, at: Timestamp) -> Result<bool, Unavailable>;
}
