//! Brings a database of an earlier version up to this one.

use domain::admission::{Counters, Place, Reservation};
use domain::{ExecutionName, MicroDollars, Principal, RunNumber, SessionId, Unavailable};
use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::{Connection, TransactionBehavior};
use serde::Deserialize;

use super::reservations::{put, put_counters};
use super::{unavailable, unreadable};

/// The queue that was once a part of each account.
#[derive(Deserialize)]
struct Queue {
    day: Option<Date>,
    #[serde(default)]
    spent: MicroDollars,
    #[serde(default)]
    active: Vec<Held>,
    #[serde(default)]
    queued: Vec<Held>,
}

#[derive(Deserialize)]
struct Held {
    session: SessionId,
    run: RunNumber,
    reserved: MicroDollars,
    at: Timestamp,
}

/// The two names that the queue had, the later one first.
const FIND: &str = "
    SELECT principal, COALESCE(json_extract(account, '$.queue'), json_extract(account, '$.ledger')) AS queue
    FROM accounts WHERE queue IS NOT NULL
";

const REMOVE: &str = "UPDATE accounts SET account = json_remove(account, '$.queue', '$.ledger') WHERE principal = ?1";

/// Adds the columns that tables of an earlier version do not have.
pub(super) fn add_columns(connection: &Connection) -> Result<(), Unavailable> {
    let find = "SELECT COUNT(*) FROM pragma_table_info('sessions') WHERE name = 'token_step'";
    let found: i64 = connection.query_row(find, [], |row| row.get(0)).map_err(unavailable)?;
    if found == 0 {
        connection.execute("ALTER TABLE sessions ADD COLUMN token_step INTEGER", []).map_err(unavailable)?;
    }
    Ok(())
}

/// Moves the queues out of the accounts, to reservations and counters of their own. Changes nothing the second time.
pub(super) fn move_queues(connection: &mut Connection) -> Result<(), Unavailable> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(unavailable)?;
    let found: Vec<(String, String)> = {
        let mut statement = transaction.prepare(FIND).map_err(unavailable)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(unavailable)?;
        rows.collect::<Result<_, _>>().map_err(unavailable)?
    };
    for (name, text) in found {
        let principal: Principal = name.parse().map_err(unreadable)?;
        let queue: Queue = serde_json::from_str(&text).map_err(unreadable)?;
        let mut counters = Counters::of_day(queue.day, queue.spent);
        let held = queue.active.into_iter().map(|held| (Place::Active, held));
        for (place, held) in held.chain(queue.queued.into_iter().map(|held| (Place::Queued, held))) {
            let execution = ExecutionName { session: held.session, run: held.run };
            let (principal, reserved, at) = (principal.clone(), held.reserved, held.at);
            let change = counters.add(Reservation { execution, principal, place, reserved, at, ticket: 0 });
            counters = change.counters;
            change.after.map_or(Ok(()), |reservation| put(&transaction, &reservation))?;
        }
        put_counters(&transaction, &principal, &counters)?;
        transaction.execute(REMOVE, [name]).map_err(unavailable)?;
    }
    transaction.commit().map_err(unavailable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::reservations::counters_of;

    #[test]
    fn a_column_is_added_once() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE sessions (id TEXT PRIMARY KEY, token_run INTEGER)").unwrap();
        for _ in 0..2 {
            add_columns(&connection).unwrap();
            connection.execute("UPDATE sessions SET token_step = 1", []).unwrap();
        }
    }

    #[test]
    fn runs_and_costs_of_an_earlier_version_are_kept() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("schema.sql")).unwrap();
        let account = r#"{"principal":"alice","role":"member","allowance":{"maxConcurrentSessions":1},
            "ledger":{"day":"2026-11-25","spent":7,
              "active":[{"session":"01HZZZZZZZZZZZZZZZZZZZZZZZ","run":1,"reserved":5,"at":"2026-11-25T10:00:00Z"}],
              "queued":[{"session":"01HZZZZZZZZZZZZZZZZZZZZZZY","run":2,"reserved":6,"at":"2026-11-25T10:00:01Z"}]}}"#;
        connection.execute("INSERT INTO accounts VALUES ('alice', 3, ?1)", [account]).unwrap();
        for _ in 0..2 {
            move_queues(&mut connection).unwrap();
            let counters = counters_of(&connection, &"alice".parse().unwrap()).unwrap();
            assert_eq!((counters.active(), counters.queued(), counters.reserved()), (1, 1, MicroDollars(11)));
            assert_eq!(counters.spent("2026-11-25T12:00:00Z".parse().unwrap()), MicroDollars(7));
        }
        let query = "SELECT group_concat(execution || ' ' || place, ', ') FROM
            (SELECT * FROM reservations ORDER BY ticket)";
        let rows: String = connection.query_row(query, [], |row| row.get(0)).unwrap();
        assert_eq!(rows, "01HZZZZZZZZZZZZZZZZZZZZZZZ-1 active, 01HZZZZZZZZZZZZZZZZZZZZZZY-2 queued");
    }
}
