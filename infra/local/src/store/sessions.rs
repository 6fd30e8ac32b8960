//! The [`Sessions`] port: records of sessions, idempotency keys, and tokens of waiting tasks.

use async_trait::async_trait;
use domain::ports::{SessionSummary, Sessions, SnapshotRecord};
use domain::{
    Dependency, IdempotencyKey, KeyBinding, OutsideKey, Principal, RunNumber, Seq, Session, SessionId, TaskToken,
    Unavailable,
};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::{Store, unavailable, unreadable};

const LIST: &str = "
    SELECT summary FROM sessions
    WHERE (?1 IS NULL OR owner = ?1) AND (?2 IS NULL OR id < ?2)
    ORDER BY id DESC LIMIT ?3
";

const PUT_SNAPSHOT: &str = "
    INSERT INTO snapshots (session, tail, record)
    SELECT id, ?2, ?3 FROM sessions WHERE id = ?1
    ON CONFLICT (session) DO UPDATE SET tail = excluded.tail, record = excluded.record WHERE tail <= excluded.tail
";

const UNFINISHED: &str = "
    SELECT id FROM sessions
    WHERE updated_at <= ?1 AND (json_extract(summary, '$.status') NOT IN ('done', 'nothing', 'rejected', 'expired', 'cancelled', 'failed') OR json_extract(summary, '$.sandboxLeft'))
        AND (?2 IS NULL OR id > ?2)
    ORDER BY id LIMIT ?3
";

/// Adds a record, unless there is or was one with this id.
const CREATE: &str = "
    INSERT OR IGNORE INTO sessions (id, owner, session, summary, updated_at)
    SELECT ?1, ?2, ?3, ?4, ?5 WHERE NOT EXISTS (SELECT 1 FROM deleted_sessions WHERE id = ?1)
";

/// Binds an outside key, unless it is bound to a session that was not deleted.
const BIND_OUTSIDE: &str = "
    INSERT INTO outside_keys (key, session) VALUES (?1, ?2)
    ON CONFLICT (key) DO UPDATE SET session = ?2 WHERE session IN (SELECT id FROM deleted_sessions)
";

const SESSION_OF: &str = "
    SELECT session FROM outside_keys WHERE key = ?1 AND session NOT IN (SELECT id FROM deleted_sessions)
";

impl Store {
    fn query_text(&self, query: &str, id: &SessionId) -> Result<Option<String>, Unavailable> {
        let found = self.connection().query_row(query, [id.as_str()], |row| row.get(0)).optional();
        found.map_err(unavailable)
    }

    fn stored_token(
        &self,
        connection: &Connection,
        id: &SessionId,
        run: RunNumber,
    ) -> Result<Option<TaskToken>, Unavailable> {
        let query = "SELECT token FROM sessions WHERE id = ?1 AND token_run = ?2 AND token IS NOT NULL";
        let found = connection.query_row(query, params![id.as_str(), run.0], |row| row.get::<_, Vec<u8>>(0)).optional();
        let Some(sealed) = found.map_err(unavailable)? else { return Ok(None) };
        let token = self.seal.unseal(&sealed).map_err(|error| Unavailable::new(Dependency::Store, error))?;
        Ok(Some(TaskToken(String::from_utf8(token).map_err(unreadable)?)))
    }
}

#[async_trait]
impl Sessions for Store {
    async fn create(&self, session: &Session, summary: &SessionSummary) -> Result<bool, Unavailable> {
        let fixed = serde_json::to_string(session).map_err(unreadable)?;
        let shown = serde_json::to_string(summary).map_err(unreadable)?;
        let row =
            params![session.id.as_str(), session.owner.as_str(), fixed, shown, summary.updated_at.as_microsecond(),];
        Ok(self.connection().execute(CREATE, row).map_err(unavailable)? == 1)
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
        self.derived().execute(query, row).map_err(unavailable)?;
        Ok(())
    }

    async fn snapshot(&self, id: &SessionId) -> Result<Option<SnapshotRecord>, Unavailable> {
        let found = self.query_text("SELECT record FROM snapshots WHERE session = ?1", id)?;
        // One in a form of another version is as good as none.
        Ok(found.and_then(|text| serde_json::from_str(&text).ok()))
    }

    async fn put_snapshot(&self, id: &SessionId, snapshot: &SnapshotRecord) -> Result<bool, Unavailable> {
        let record = serde_json::to_string(snapshot).map_err(unreadable)?;
        let row = params![id.as_str(), i64::try_from(snapshot.tail.0).unwrap_or(i64::MAX), record];
        Ok(self.derived().execute(PUT_SNAPSHOT, row).map_err(unavailable)? == 1)
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

    async fn unfinished(
        &self,
        written_before: Timestamp,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, Unavailable> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(UNFINISHED).map_err(unavailable)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let row = params![written_before.as_microsecond(), after.map(SessionId::as_str), limit];
        let ids = statement.query_map(row, |row| row.get::<_, String>(0)).map_err(unavailable)?;
        ids.map(|id| id.map_err(unavailable)?.parse().map_err(unreadable)).collect()
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

    async fn put_token(
        &self,
        id: &SessionId,
        run: RunNumber,
        step: Seq,
        token: &TaskToken,
    ) -> Result<bool, Unavailable> {
        let sealed = self.seal.seal(token.0.as_bytes()).map_err(|error| Unavailable::new(Dependency::Store, error))?;
        let step = i64::try_from(step.0).map_err(unreadable)?;
        let query = "UPDATE sessions SET token_run = ?2, token_step = ?3, token = ?4
                     WHERE id = ?1 AND (token_step IS NULL OR token_step <= ?3)";
        let written = self.connection().execute(query, params![id.as_str(), run.0, step, sealed]);
        Ok(written.map_err(unavailable)? == 1)
    }

    async fn token(&self, id: &SessionId, run: RunNumber) -> Result<Option<TaskToken>, Unavailable> {
        self.stored_token(&self.connection(), id, run)
    }

    async fn clear_token(&self, id: &SessionId, run: RunNumber, token: &TaskToken) -> Result<(), Unavailable> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(unavailable)?;
        // Two seals of the same token differ, so the stored one is opened to compare them.
        if self.stored_token(&transaction, id, run)?.as_ref() == Some(token) {
            let clear = "UPDATE sessions SET token = NULL WHERE id = ?1";
            transaction.execute(clear, [id.as_str()]).map_err(unavailable)?;
        }
        transaction.commit().map_err(unavailable)
    }

    async fn bind_outside(&self, key: &OutsideKey, session: &SessionId) -> Result<SessionId, Unavailable> {
        let key = key.to_string();
        let connection = self.connection();
        connection.execute(BIND_OUTSIDE, [key.as_str(), session.as_str()]).map_err(unavailable)?;
        let find = "SELECT session FROM outside_keys WHERE key = ?1";
        let bound: String = connection.query_row(find, [key], |row| row.get(0)).map_err(unavailable)?;
        bound.parse().map_err(unreadable)
    }

    async fn session_of(&self, key: &OutsideKey) -> Result<Option<SessionId>, Unavailable> {
        let found: Option<String> = self
            .connection()
            .query_row(SESSION_OF, [key.to_string()], |row| row.get(0))
            .optional()
            .map_err(unavailable)?;
        found.map(|id| id.parse().map_err(unreadable)).transpose()
    }

    async fn begin_deletion(&self, id: &SessionId, owner: &Principal) -> Result<bool, Unavailable> {
        let row = [id.as_str(), owner.as_str()];
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(unavailable)?;
        let remove = "DELETE FROM sessions WHERE id = ?1 AND owner = ?2";
        if transaction.execute(remove, row).map_err(unavailable)? == 0 {
            let find = "SELECT 1 FROM deleted_sessions WHERE id = ?1 AND owner = ?2";
            return Ok(transaction.query_row(find, row, |_| Ok(())).optional().map_err(unavailable)?.is_some());
        }
        transaction.execute("INSERT INTO deleted_sessions (id, owner) VALUES (?1, ?2)", row).map_err(unavailable)?;
        for remove in ["DELETE FROM outside_keys WHERE session = ?1", "DELETE FROM snapshots WHERE session = ?1"] {
            transaction.execute(remove, [id.as_str()]).map_err(unavailable)?;
        }
        transaction.commit().map_err(unavailable)?;
        Ok(true)
    }

    async fn deletions(&self, limit: usize) -> Result<Vec<SessionId>, Unavailable> {
        let connection = self.connection();
        let query = "SELECT id FROM deleted_sessions WHERE owner IS NOT NULL ORDER BY id LIMIT ?1";
        let mut statement = connection.prepare_cached(query).map_err(unavailable)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let ids = statement.query_map([limit], |row| row.get::<_, String>(0)).map_err(unavailable)?;
        ids.map(|id| id.map_err(unavailable)?.parse().map_err(unreadable)).collect()
    }

    async fn end_deletion(&self, id: &SessionId) -> Result<(), Unavailable> {
        let end = "UPDATE deleted_sessions SET owner = NULL WHERE id = ?1";
        self.connection().execute(end, [id.as_str()]).map_err(unavailable)?;
        Ok(())
    }

    async fn is_deleted(&self, id: &SessionId) -> Result<bool, Unavailable> {
        let find = "SELECT 1 FROM deleted_sessions WHERE id = ?1";
        let found = self.connection().query_row(find, [id.as_str()], |_| Ok(())).optional();
        Ok(found.map_err(unavailable)?.is_some())
    }
}

#[cfg(test)]
mod tests {
    use domain::Status;
    use rusqlite::{Connection, params};

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
        let plan: String = connection.query_row(&plan, params![0, "", 1], |row| row.get("detail")).unwrap();
        assert!(plan.contains("USING INDEX due"), "{plan}");
    }
}
