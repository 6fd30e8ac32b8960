//! The [`Accounts`] port: principals, their roles and quotas, and access tokens.

use async_trait::async_trait;
use domain::ports::Accounts;
use domain::{Account, Digest256, Principal, TokenId, TokenRecord, Unavailable};
use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Row, params};

use super::{Store, unavailable, unreadable};

fn columns(row: &Row<'_>) -> Result<(i64, String), rusqlite::Error> {
    Ok((row.get(0)?, row.get(1)?))
}

fn parse_account((version, text): (i64, String)) -> Result<Account, Unavailable> {
    let account: Account = serde_json::from_str(&text).map_err(unreadable)?;
    Ok(Account { version: version.unsigned_abs(), ..account })
}

#[async_trait]
impl Accounts for Store {
    async fn account(&self, principal: &Principal) -> Result<Option<Account>, Unavailable> {
        let query = "SELECT version, account FROM accounts WHERE principal = ?1";
        let found = self.connection().query_row(query, [principal.as_str()], columns).optional();
        found.map_err(unavailable)?.map(parse_account).transpose()
    }

    async fn put_account(&self, account: &Account) -> Result<bool, Unavailable> {
        let text = serde_json::to_string(account).map_err(unreadable)?;
        let next = i64::try_from(account.version + 1).map_err(unreadable)?;
        let query = match account.version {
            0 => "INSERT OR IGNORE INTO accounts (principal, version, account) VALUES (?1, ?2, ?3)",
            _ => "UPDATE accounts SET version = ?2, account = ?3 WHERE principal = ?1 AND version = ?2 - 1",
        };
        let written = self.connection().execute(query, params![account.principal.as_str(), next, text]);
        if written.map_err(unavailable)? == 0 {
            return Ok(false);
        }
        self.notify();
        Ok(true)
    }

    async fn accounts(&self) -> Result<Vec<Account>, Unavailable> {
        let connection = self.connection();
        let query = "SELECT version, account FROM accounts ORDER BY principal";
        let mut statement = connection.prepare_cached(query).map_err(unavailable)?;
        let rows = statement.query_map([], columns).map_err(unavailable)?;
        rows.map(|row| parse_account(row.map_err(unavailable)?)).collect()
    }

    async fn add_token(&self, token: &TokenRecord) -> Result<(), Unavailable> {
        let record = serde_json::to_string(token).map_err(unreadable)?;
        let query = "INSERT INTO access_tokens (id, digest, record) VALUES (?1, ?2, ?3)";
        let row = params![token.id.as_str(), token.digest.as_str(), record];
        self.connection().execute(query, row).map_err(unavailable)?;
        Ok(())
    }

    async fn token_by_digest(&self, digest: &Digest256) -> Result<Option<TokenRecord>, Unavailable> {
        let connection = self.connection();
        let query = "SELECT record FROM access_tokens WHERE digest = ?1";
        let mut statement = connection.prepare_cached(query).map_err(unavailable)?;
        let found: Option<String> =
            statement.query_row([digest.as_str()], |row| row.get(0)).optional().map_err(unavailable)?;
        found.map(|text| serde_json::from_str(&text).map_err(unreadable)).transpose()
    }

    async fn tokens(&self) -> Result<Vec<TokenRecord>, Unavailable> {
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached("SELECT record FROM access_tokens ORDER BY id").map_err(unavailable)?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).map_err(unavailable)?;
        rows.map(|row| serde_json::from_str(&row.map_err(unavailable)?).map_err(unreadable)).collect()
    }

    async fn revoke_token(&self, id: &TokenId, at: Timestamp) -> Result<bool, Unavailable> {
        let query = "UPDATE access_tokens SET record = json_set(record, '$.revokedAt',
                     COALESCE(json_extract(record, '$.revokedAt'), ?2)) WHERE id = ?1";
        let revoked = self.connection().execute(query, params![id.as_str(), at.to_string()]);
        Ok(revoked.map_err(unavailable)? == 1)
    }
}
