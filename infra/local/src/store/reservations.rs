//! The [`Reservations`] port: reservations of runs and the counters of their principals, changed in one transaction.

use async_trait::async_trait;
use domain::admission::{Counters, Place, Reservation, ReservationChange};
use domain::ports::Reservations;
use domain::{ExecutionName, Principal, SessionId, Unavailable};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Params, Transaction, TransactionBehavior, params};

use super::{Store, unavailable, unreadable};

const IN_PLACE: &str = "
    SELECT reservation FROM reservations WHERE principal = ?1 AND place = ?2 ORDER BY ticket LIMIT ?3
";

const OUTSTANDING: &str = "
    SELECT reservation FROM reservations
    WHERE place <> 'settled' AND at < ?1 AND (?2 IS NULL OR execution > ?2)
    ORDER BY execution LIMIT ?3
";

const PUT: &str = "
    INSERT INTO reservations (execution, session, principal, place, ticket, at, reservation)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
    ON CONFLICT (execution) DO UPDATE SET place = ?4, ticket = ?5, at = ?6, reservation = ?7
";

const PUT_COUNTERS: &str = "
    INSERT INTO counters (principal, version, counters) VALUES (?1, ?2, ?3)
    ON CONFLICT (principal) DO UPDATE SET version = ?2, counters = ?3
";

fn parse(text: &str) -> Result<Reservation, Unavailable> {
    serde_json::from_str(text).map_err(unreadable)
}

fn find(connection: &Connection, execution: &ExecutionName) -> Result<Option<Reservation>, Unavailable> {
    let query = "SELECT reservation FROM reservations WHERE execution = ?1";
    let mut statement = connection.prepare_cached(query).map_err(unavailable)?;
    let found = statement.query_row([execution.to_string()], |row| row.get::<_, String>(0)).optional();
    found.map_err(unavailable)?.map(|text| parse(&text)).transpose()
}

pub(super) fn counters_of(connection: &Connection, principal: &Principal) -> Result<Counters, Unavailable> {
    let query = "SELECT version, counters FROM counters WHERE principal = ?1";
    let mut statement = connection.prepare_cached(query).map_err(unavailable)?;
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
    let Some((version, text)) = statement.query_row([principal.as_str()], row).optional().map_err(unavailable)? else {
        return Ok(Counters::default());
    };
    let mut counters: Counters = serde_json::from_str(&text).map_err(unreadable)?;
    counters.version = version.unsigned_abs();
    Ok(counters)
}

/// Writes a reservation over the one that is stored.
pub(super) fn put(transaction: &Transaction<'_>, reservation: &Reservation) -> Result<(), Unavailable> {
    let text = serde_json::to_string(reservation).map_err(unreadable)?;
    let (execution, principal) = (&reservation.execution, reservation.principal.as_str());
    let (place, ticket) = (reservation.place.name(), i64::try_from(reservation.ticket).map_err(unreadable)?);
    let at = reservation.at.as_microsecond();
    let row = params![execution.to_string(), execution.session.as_str(), principal, place, ticket, at, text];
    transaction.execute(PUT, row).map_err(unavailable)?;
    Ok(())
}

/// Writes counters over those that are stored, with the next version.
pub(super) fn put_counters(
    transaction: &Transaction<'_>,
    principal: &Principal,
    counters: &Counters,
) -> Result<(), Unavailable> {
    let text = serde_json::to_string(counters).map_err(unreadable)?;
    let version = i64::try_from(counters.version + 1).map_err(unreadable)?;
    transaction.execute(PUT_COUNTERS, params![principal.as_str(), version, text]).map_err(unavailable)?;
    Ok(())
}

impl Store {
    fn reservations(&self, query: &str, row: impl Params) -> Result<Vec<Reservation>, Unavailable> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(query).map_err(unavailable)?;
        let texts = statement.query_map(row, |row| row.get::<_, String>(0)).map_err(unavailable)?;
        texts.map(|text| parse(&text.map_err(unavailable)?)).collect()
    }
}

#[async_trait]
impl Reservations for Store {
    async fn counters(&self, principal: &Principal) -> Result<Counters, Unavailable> {
        counters_of(&self.connection(), principal)
    }

    async fn reservation(&self, execution: &ExecutionName) -> Result<Option<Reservation>, Unavailable> {
        find(&self.connection(), execution)
    }

    async fn in_place(
        &self,
        principal: &Principal,
        place: Place,
        limit: usize,
    ) -> Result<Vec<Reservation>, Unavailable> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.reservations(IN_PLACE, params![principal.as_str(), place.name(), limit])
    }

    async fn outstanding(
        &self,
        before: Timestamp,
        after: Option<&ExecutionName>,
        limit: usize,
    ) -> Result<Vec<Reservation>, Unavailable> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.reservations(OUTSTANDING, params![before.as_microsecond(), after.map(ToString::to_string), limit])
    }

    async fn commit(&self, change: &ReservationChange) -> Result<bool, Unavailable> {
        let ReservationChange { counters, before, after } = change;
        let Some(named) = before.as_ref().or(after.as_ref()) else { return Ok(true) };
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(unavailable)?;
        let is_current = counters_of(&transaction, &named.principal)?.version == counters.version
            && find(&transaction, &named.execution)? == *before;
        if !is_current {
            return Ok(false);
        }
        match after {
            Some(after) => put(&transaction, after)?,
            None => {
                let remove = "DELETE FROM reservations WHERE execution = ?1";
                transaction.execute(remove, [named.execution.to_string()]).map_err(unavailable)?;
            }
        }
        put_counters(&transaction, &named.principal, counters)?;
        transaction.commit().map_err(unavailable)?;
        drop(connection);
        self.notify();
        Ok(true)
    }

    async fn forget(&self, session: &SessionId) -> Result<(), Unavailable> {
        let remove = "DELETE FROM reservations WHERE session = ?1 AND place = 'settled'";
        self.connection().execute(remove, [session.as_str()]).map_err(unavailable)?;
        Ok(())
    }
}
