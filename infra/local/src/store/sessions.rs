//! The [`Sessions`] port: records of sessions, idempotency keys, and tokens of waiting tasks.

use async_trait::async_trait;
use domain::ports::{SessionSummary, Sessions};
use domain::{
    Dependency, IdempotencyKey, KeyBinding, Principal, RunNumber, Session, SessionId, TaskToken, Unavailable,
};
use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::{Store, unavailable, unreadable};

const LIST: &str = "
    SELECT summary FROM sessions
    WHERE (?1 IS NULL OR owner = ?1) AND (?2 IS NULL OR id < ?2)
    ORDER BY id DESC LIMIT ?3
";

const UNFINISHED: &str = "
    SELECT id FROM sessions
    WHERE updated_at <= ?1 AND (json_extract(summary, '$.status') NOT IN ('done', 'nothing', 'rejected', 'expired', 'cancelled', 'failed') OR json_extract(summary, '$.sandboxLeft'))
    ORDER BY id
";

impl Store {
    /// Sessions whose latest run is not over, or that have left a sandbox, and whose record was last written at or before
    /// `written_before`, oldest first.
    pub fn unfinished(&self, written_before: Timestamp) -> Result<Vec<SessionId>, Unavailable> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(UNFINISHED).map_err(unavailable)?;
        let ids = statement
            .query_map([written_before.as_microsecond()], |row| row.get::<_, String>(0))
            .map_err(unavailable)?;
        ids.map(|id| id.map_err(unavailable)?.parse().map_err(unreadable)).collect()
    }

    fn query_text(&self, query: &str, id: &SessionId) -> Result<Option<String>, Unavailable> {
        let found = self.connection().query_row(query, [id.as_str()], |row| row.get(0)).optional();
        found.map_err(unavailable)
    }
}

#[async_trait]
impl Sessions for Store {
    async fn create(&self, session: &Session, summary: &SessionSummary) -> Result<bool, Unavailable> {
        let fixed = serde_json::to_string(session).map_err(unreadable)?;
        let shown = serde_json::to_string(summary).map_err(unreadable)?;
        let row =
            params![session.id.as_str(), session.owner.as_str(), fixed, shown, summary.updated_at.as_microsecond(),];
        let query =
            "INSERT OR IGNORE INTO sessions (id, owner, session, summary, updated_at) VALUES (?1, ?2, ?3, ?4, ?5)";
        Ok(self.connection().execute(query, row).map_err(unavailable)? == 1)
    }

    async fn get(&self, id: &SessionId) -> Result<Option<Session>, Unavailable> {
        let found = self.query_text("SELECT session FROM sessions WHERE id = ?1", id)?;
        found.map(|text| serde_json::from_str(&text).map_err(unreadable)).transpose()
    }

    async fn summary(&self, id: &SessionId) -> Result<Option<SessionSummary>, Unavailable> {
        let found = self.query_text("SELECT summary FROM sessions WHERE id = ?1", id)?;
        found.map(|text| serde_json::from_str(&text).map_err(unreadable)).transpose()
    }

    async fn update(&self, summary: &SessionSummary) -> Result<(), Unavailable> {
        let shown = serde_json::to_string(summary).map_err(unreadable)?;
        let query = "UPDATE sessions SET summary = ?2, updated_at = ?3 WHERE id = ?1 AND updated_at <= ?3";
        let row = params![summary.id.as_str(), shown, summary.updated_at.as_microsecond()];
        self.connection().execute(query, row).map_err(unavailable)?;
        Ok(())
    }

    async fn list(
        &self,
        owner: Option<&Principal>,
        before: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionSummary>, Unavailable> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(LIST).map_err(unavailable)?;
        let row = params![
            owner.map(Principal::as_str),
            before.map(SessionId::as_str),
            i64::try_from(limit).unwrap_or(i64::MAX)
        ];
        let texts = statement.query_map(row, |row| row.get::<_, String>(0)).map_err(unavailable)?;
        texts.map(|text| serde_json::from_str(&text.map_err(unavailable)?).map_err(unreadable)).collect()
    }

    async fn bind_key(
        &self,
        owner: &Principal,
        key: &IdempotencyKey,
        binding: &KeyBinding,
    ) -> Result<KeyBinding, Unavailable> {
        let text = serde_json::to_string(binding).map_err(unreadable)?;
        let connection = self.connection();
        let bind = "INSERT OR IGNORE INTO idempotency_keys (owner, key, binding) VALUES (?1, ?2, ?3)";
        connection.execute(bind, params![owner.as_str(), key.as_str(), text]).map_err(unavailable)?;
        let find = "SELECT binding FROM idempotency_keys WHERE owner = ?1 AND key = ?2";
        let bound: String =
            connection.query_row(find, params![owner.as_str(), key.as_str()], |row| row.get(0)).map_err(unavailable)?;
        serde_json::from_str(&bound).map_err(unreadable)
    }

    async fn put_token(&self, id: &SessionId, run: RunNumber, token: &TaskToken) -> Result<(), Unavailable> {
        let sealed = self.seal.seal(token.0.as_bytes()).map_err(|error| Unavailable::new(Dependency::Store, error))?;
        let query = "UPDATE sessions SET token_run = ?2, token = ?3 WHERE id = ?1";
        self.connection().execute(query, params![id.as_str(), run.0, sealed]).map_err(unavailable)?;
        Ok(())
    }

    async fn token(&self, id: &SessionId, run: RunNumber) -> Result<Option<TaskToken>, Unavailable> {
        let query = "SELECT token FROM sessions WHERE id = ?1 AND token_run = ?2 AND token IS NOT NULL";
        let sealed: Option<Vec<u8>> = self
            .connection()
            .query_row(query, params![id.as_str(), run.0], |row| row.get(0))
            .optional()
            .map_err(unavailable)?;
        let Some(sealed) = sealed else { return Ok(None) };
        let token = self.seal.unseal(&sealed).map_err(|error| Unavailable::new(Dependency::Store, error))?;
        Ok(Some(TaskToken(String::from_utf8(token).map_err(unreadable)?)))
    }

    async fn clear_token(&self, id: &SessionId, run: RunNumber) -> Result<(), Unavailable> {
        let query = "UPDATE sessions SET token = NULL, token_run = NULL WHERE id = ?1 AND token_run = ?2";
        self.connection().execute(query, params![id.as_str(), run.0]).map_err(unavailable)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use domain::Status;
    use rusqlite::Connection;

    use super::UNFINISHED;

    /// The list stands as text in both places: SQLite uses a partial index only for a query with the same condition.
    #[test]
    fn query_and_index_of_unfinished_sessions_list_every_terminal_status() {
        let terminal = Status::ALL.into_iter().filter(|status| status.is_terminal());
        let list = terminal.map(|status| format!("'{status}'")).collect::<Vec<_>>().join(", ");
        let condition =
            format!("(json_extract(summary, '$.status') NOT IN ({list}) OR json_extract(summary, '$.sandboxLeft'))");
        assert!(UNFINISHED.contains(&condition), "{condition}");
        assert!(include_str!("schema.sql").contains(&condition), "{condition}");
    }

    #[test]
    fn an_earlier_database_gets_the_index_of_unfinished_sessions() {
        let connection = Connection::open_in_memory().unwrap();
        let earlier = "CREATE TABLE sessions (id TEXT PRIMARY KEY, owner TEXT NOT NULL, session TEXT NOT NULL, summary TEXT NOT NULL, \
                       updated_at INTEGER NOT NULL, token_run INTEGER, token BLOB) WITHOUT ROWID; \
                       CREATE INDEX unfinished ON sessions (id) WHERE json_extract(summary, '$.status') NOT IN ('done');";
        connection.execute_batch(earlier).unwrap();
        connection.execute_batch(include_str!("schema.sql")).unwrap();
        let plan = format!("EXPLAIN QUERY PLAN {UNFINISHED}");
        let plan: String = connection.query_row(&plan, [0], |row| row.get("detail")).unwrap();
        assert!(plan.contains("USING INDEX due"), "{plan}");
    }
}
