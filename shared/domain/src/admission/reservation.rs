//! The reservation of a run.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Counters;
use crate::{ExecutionName, MicroDollars, Principal};

/// The place of one run in its principal's queue, with what the run may cost.
///
/// It is written before the run is in its session's log, and settled after the log says that the run is over. It is then kept
/// until the session is deleted: a late request for the same run finds it, so no run is reserved, or charged, twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    pub execution: ExecutionName,
    pub principal: Principal,
    pub place: Place,
    /// What the run may cost at most: the limit of its budget.
    pub reserved: MicroDollars,
    /// When it was admitted.
    pub at: Timestamp,
    /// Position among the principal's reservations: the queue is in the order of tickets.
    pub ticket: u64,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// It starts when earlier runs of its principal are over.
    Queued,
    /// It has one of its principal's slots.
    Active,
    /// It is over, and its cost is charged.
    Settled,
}

impl Place {
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Active => "active",
            Self::Settled => "settled",
        }
    }
}

/// A change of one reservation together with its principal's counters: one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservationChange {
    /// The counters after the change, with the version they had before it.
    pub counters: Counters,
    /// The reservation before the change; none when there is none.
    pub before: Option<Reservation>,
    /// The reservation after it; none when it is removed.
    pub after: Option<Reservation>,
}
