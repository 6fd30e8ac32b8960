//! The [`EventLog`] port: batches of events, appended by compare-and-set.

use std::time::Duration;

use async_trait::async_trait;
use domain::ports::{AppendError, EventLog, Page, ReadError, load_batch, store_batch};
use domain::{Event, Seq, SessionId, Unavailable};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Store, unavailable, unreadable};

/// Inserts the batch only if the log still ends at the event before it: the compare-and-set.
const APPEND: &str = "
    INSERT INTO batches (session, first, last, events)
    SELECT ?1, ?2, ?3, ?4
    WHERE COALESCE((SELECT last FROM batches WHERE session = ?1 ORDER BY first DESC LIMIT 1), 0) = ?2 - 1
";

const BATCH: &str = "SELECT events FROM batches WHERE session = ?1 AND first = ?2";

/// The key is the batch's first event, so the search begins at the batch that holds the event after ?2: a search by `last` alone
/// would pass through the whole log.
const READ: &str = "
    SELECT last, events FROM batches
    WHERE session = ?1 AND last > ?2 AND first >= COALESCE(
        (SELECT first FROM batches WHERE session = ?1 AND first <= ?2 + 1 ORDER BY first DESC LIMIT 1), 0
    )
    ORDER BY first
";

const TAIL: &str = "SELECT last FROM batches WHERE session = ?1 ORDER BY first DESC LIMIT 1";

/// Size of a page's stored batches, in bytes, after which no batch is added to it.
const MAX_PAGE_BYTES: usize = 1024 * 1024;

#[async_trait]
impl EventLog for Store {
    async fn append(&self, session: &SessionId, after: Seq, batch: &[Event]) -> Result<(), AppendError> {
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return Ok(()) };
        let stored = store_batch(self.blobs.as_ref(), session, after, batch).await?;
        let row = params![session.as_str(), number(first.seq), number(last.seq), stored];
        let connection = self.connection();
        let written = connection.prepare_cached(APPEND).and_then(|mut append| append.execute(row));
        if written.map_err(unavailable)? == 0 {
            let find = params![session.as_str(), number(first.seq)];
            let found = connection.query_row(BATCH, find, |row| row.get::<_, String>(0)).optional();
            return if found.map_err(unavailable)?.is_some_and(|found| found == stored) {
                Ok(())
            } else {
                Err(AppendError::Conflict)
            };
        }
        drop(connection);
        self.notify();
        Ok(())
    }

    async fn read(&self, session: &SessionId, after: Seq, limit: usize) -> Result<Page, ReadError> {
        let (batches, next) = self.batches(session, after, limit)?;
        let mut events = Vec::new();
        for batch in batches {
            let batch = load_batch(self.blobs.as_ref(), session, &batch).await?;
            events.extend(batch.into_iter().filter(|event| event.seq > after));
        }
        Ok(Page { events, next })
    }

    async fn wait(&self, session: &SessionId, after: Seq, timeout: Duration) -> Result<bool, Unavailable> {
        let grown = |connection: &Connection| Ok((tail(connection, session)? > number(after)).then_some(()));
        Ok(self.wait_for(timeout, grown).await?.is_some())
    }

    async fn delete(&self, session: &SessionId) -> Result<(), Unavailable> {
        let delete = "DELETE FROM batches WHERE session = ?1";
        self.connection().execute(delete, [session.as_str()]).map_err(unavailable)?;
        self.notify();
        Ok(())
    }
}

impl Store {
    /// The stored batches of a page, and after which event the next page begins.
    fn batches(
        &self,
        session: &SessionId,
        after: Seq,
        limit: usize,
    ) -> Result<(Vec<String>, Option<Seq>), Unavailable> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(READ).map_err(unavailable)?;
        let mut rows = statement.query(params![session.as_str(), number(after)]).map_err(unavailable)?;
        let (mut batches, mut bytes, mut end) = (Vec::new(), 0, after.0);
        while let Some(row) = rows.next().map_err(unavailable)? {
            let count = usize::try_from(end - after.0).unwrap_or(usize::MAX);
            if !batches.is_empty() && (count >= limit || bytes >= MAX_PAGE_BYTES) {
                return Ok((batches, Some(Seq(end))));
            }
            end = row.get::<_, i64>(0).map_err(unavailable)?.unsigned_abs();
            let batch: String = row.get(1).map_err(unreadable)?;
            bytes += batch.len();
            batches.push(batch);
        }
        Ok((batches, None))
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
