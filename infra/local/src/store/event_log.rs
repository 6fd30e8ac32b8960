//! The [`EventLog`] port: batches of events, appended by compare-and-set.

use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{AppendError, EventLog};
use domain::{Event, Seq, SessionId, Unavailable};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Store, unavailable, unreadable};

/// Inserts the batch only if the log still ends at the event before it: the compare-and-set.
const APPEND: &str = "
    INSERT INTO batches (session, first, last, events)
    SELECT ?1, ?2, ?3, ?4
    WHERE COALESCE((SELECT last FROM batches WHERE session = ?1 ORDER BY first DESC LIMIT 1), 0) = ?2 - 1
";

/// The key is the batch's first event, so the search begins at the batch that holds the event after ?2: a search by `last` alone
/// would pass through the whole log.
const READ: &str = "
    SELECT events FROM batches
    WHERE session = ?1 AND last > ?2 AND first >= COALESCE(
        (SELECT first FROM batches WHERE session = ?1 AND first <= ?2 + 1 ORDER BY first DESC LIMIT 1), 0
    )
    ORDER BY first
";

const TAIL: &str = "SELECT last FROM batches WHERE session = ?1 ORDER BY first DESC LIMIT 1";

#[async_trait]
impl EventLog for Store {
    async fn append(&self, session: &SessionId, after: Seq, batch: &[Event]) -> Result<(), AppendError> {
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return Ok(()) };
        let numbered = batch.iter().zip(after.0 + 1..).all(|(event, seq)| event.seq.0 == seq);
        if !numbered {
            return Err(AppendError::Conflict);
        }
        let events = serde_json::to_string(batch).map_err(unreadable)?;
        let written = self
            .connection()
            .prepare_cached(APPEND)
            .and_then(|mut statement| {
                statement.execute(params![session.as_str(), number(first.seq), number(last.seq), events])
            })
            .map_err(unavailable)?;
        if written == 0 {
            return Err(AppendError::Conflict);
        }
        self.notify();
        Ok(())
    }

    async fn read(&self, session: &SessionId, after: Seq, limit: usize) -> Result<Vec<Event>, Unavailable> {
        let mut events: Vec<Event> = Vec::new();
        let connection = self.connection();
        let mut statement = connection.prepare_cached(READ).map_err(unavailable)?;
        let mut rows = statement.query(params![session.as_str(), number(after)]).map_err(unavailable)?;
        while events.len() < limit
            && let Some(row) = rows.next().map_err(unavailable)?
        {
            let batch = row.get_ref(0).map_err(unavailable)?;
            let batch: Vec<Event> =
                serde_json::from_slice(batch.as_bytes().map_err(unreadable)?).map_err(unreadable)?;
            events.extend(batch.into_iter().filter(|event| event.seq > after));
        }
        Ok(events)
    }

    async fn wait(&self, session: &SessionId, after: Seq, timeout: Duration) -> Result<(), Unavailable> {
        self.wait_for(timeout, |connection| Ok((tail(connection, session)? > number(after)).then_some(()))).await?;
        Ok(())
    }
}

/// SQLite's integers are signed.
fn number(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

fn tail(connection: &Connection, session: &SessionId) -> Result<i64, rusqlite::Error> {
    let mut statement = connection.prepare_cached(TAIL)?;
    let tail = statement.query_row([session.as_str()], |row| row.get(0)).optional()?;
    Ok(tail.unwrap_or(0))
}
